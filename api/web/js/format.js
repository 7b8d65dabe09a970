/** Values as people read them. Money is a decimal string or BigInt of the token's smallest unit, never a float. */

const DECIMALS = 6

/** 12500 -> "0.0125" ; trailing zeros go, at least two decimals stay. */
export function money(amount) {
  const value = BigInt(amount ?? 0)
  const digits = (value < 0n ? -value : value).toString().padStart(DECIMALS + 1, '0')
  const whole = digits.slice(0, -DECIMALS).replace(/\B(?=(\d{3})+$)/g, ',')
  const part = digits.slice(-DECIMALS).replace(/0{1,4}$/, '')
  return `${value < 0n ? '-' : ''}${whole}.${part} DEMO`
}

/** "1.25" -> 1250000n; null for what is no amount. */
export function amount(text) {
  const found = /^\s*(\d{1,12})(?:[.,](\d{1,6}))?\s*$/.exec(text ?? '')
  return found ? BigInt(found[1]) * 10n ** BigInt(DECIMALS) + BigInt((found[2] ?? '').padEnd(DECIMALS, '0')) : null
}

/** The inverse of `amount`. */
export function plain(value) {
  return money(value).replace(' DEMO', '').replaceAll(',', '')
}

export function short(hex) {
  return hex && hex.length > 14 ? `${hex.slice(0, 6)}…${hex.slice(-4)}` : hex ?? ''
}

export function percent(share) {
  return `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`
}

/** Seconds as "2 h 5 min". */
export function duration(seconds) {
  if (seconds < 0) return 'over'
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`
}

export function moment(seconds) {
  return new Date(seconds * 1000).toISOString().replace('T', ' ').slice(0, 16) + ' UTC'
}

export function count(number, one, many = `${one}s`) {
  return `${Number(number).toLocaleString('en')} ${Number(number) === 1 ? one : many}`
}

/** A file for the reader to keep. */
export function download(name, type, content) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([content], { type }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

/** Rows as CSV. A cell that a spreadsheet would run as a formula gets an apostrophe before it. */
export function csv(header, rows) {
  const cell = (value) => {
    const text = String(value ?? '')
    const inert = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text
    return /[",\n\r]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert
  }
  return [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n'
}
