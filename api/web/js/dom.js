/**
 * DOM from plain calls. All text becomes text nodes: there is no way here to write HTML, so what comes from outside stays inert.
 *
 * h(tag, attributes, ...children) -> Element; patch(parent, children) makes a parent's children equal to new ones and keeps what
 * is the same, so that focus, selection and scroll survive a new look at the same state.
 */

const SVG = 'http://www.w3.org/2000/svg'
const SVG_TAGS = new Set(['svg', 'rect', 'line', 'path', 'text', 'g', 'title', 'circle', 'polygon'])
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'selected', 'hidden'])
const SAFE_LINK = /^(#|\/|https?:\/\/|blob:)/

/** An element. Attributes that begin with "on" are listeners; false, null and undefined leave an attribute or child out. */
export function h(tag, attributes = {}, ...children) {
  const svg = SVG_TAGS.has(tag)
  const element = svg ? document.createElementNS(SVG, tag) : document.createElement(tag)
  element.listeners = {}
  element.properties = {}
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value)
  append(element, children)
  for (const name of ['value']) if (name in element.properties) element[name] = element.properties[name] // after options
  return element
}

function set(element, name, value) {
  if (name.startsWith('on')) {
    element.listeners[name] = value ?? null
    element[name] = value ?? null
  } else if (PROPERTIES.has(name)) {
    if (value !== undefined && value !== null) {
      element.properties[name] = value
      element[name] = value
    }
  } else if (value !== false && value !== null && value !== undefined) {
    if ((name === 'href' || name === 'src') && !SAFE_LINK.test(value) && !value.startsWith('data:image/')) return
    element.setAttribute(name, value === true ? '' : value)
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue
    element.append(child instanceof Node ? child : document.createTextNode(String(child)))
  }
}

/** Makes `parent` hold these children, reusing what it holds. */
export function patch(parent, children) {
  const wanted = [children].flat(Infinity).filter((child) => child)
  wanted.forEach((child, at) => {
    const here = parent.childNodes[at]
    if (!here) parent.append(child)
    else if (!same(here, child)) here.replaceWith(child)
    else update(here, child)
  })
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove()
}

function same(one, two) {
  return one.nodeType === two.nodeType && one.nodeName === two.nodeName && one.id === two.id && !one.kept === !two.kept
}

function update(here, wanted) {
  if (here.nodeType === Node.TEXT_NODE) {
    if (here.data !== wanted.data) here.data = wanted.data
    return
  }
  if (here.isEqualNode(wanted) && !hasListeners(wanted)) return
  // `open` is the reader's from the first look on
  for (const { name } of [...here.attributes]) if (name !== 'open' && !wanted.hasAttribute(name)) here.removeAttribute(name)
  for (const { name, value } of wanted.attributes) if (name !== 'open' && here.getAttribute(name) !== value) here.setAttribute(name, value)
  for (const name of Object.keys(here.listeners ?? {})) if (!(name in wanted.listeners)) here[name] = null
  for (const [name, listener] of Object.entries(wanted.listeners ?? {})) here[name] = listener
  here.listeners = wanted.listeners
  patch(here, [...wanted.childNodes])
  for (const [name, value] of Object.entries(wanted.properties ?? {})) if (here[name] !== value && !isTyped(here, name, value)) here[name] = value
  if (!('disabled' in (wanted.properties ?? {})) && here.properties && 'disabled' in here.properties) here.disabled = false
  here.properties = wanted.properties
}

/** Whether somebody is writing there, and the state has nothing new to say: what is half written stays. */
function isTyped(here, name, value) {
  return name === 'value' && here === document.activeElement && here.properties?.value === value
}

function hasListeners(element) {
  if (Object.keys(element.listeners ?? {}).length || Object.keys(element.properties ?? {}).length) return true
  return [...element.children].some(hasListeners)
}
