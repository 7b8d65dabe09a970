/** The decision of record: integer scores, the lowest class of the highest; the twin of oracle/protocol/scoring.py. */

const NAT = 65536

export function scores(prior, rows) {
  return prior.map((bias, c) => rows.reduce((sum, row) => sum + row[c], bias))
}

/** The label of record; ties go to the lowest. */
export function decide(prior, rows) {
  const found = scores(prior, rows)
  return found.indexOf(Math.max(...found))
}

/** The softmax of the scores at the verdict. */
export function confidence(prior, rows) {
  const found = scores(prior, rows)
  const best = Math.max(...found)
  return 1 / found.reduce((sum, score) => sum + Math.exp((score - best) / NAT), 0)
}

/** Why a weight row breaks the terms, or null. */
export function rowFault(terms, label, row) {
  if (row.length !== terms.classes) return 'has not one weight a class'
  if (terms.weightCap === 0) {
    return row.every((weight, c) => weight === (c === label ? NAT : 0)) ? null : 'is not the plain vote that the job fixes'
  }
  if (row.some((weight) => Math.abs(weight) > terms.weightCap)) return 'has a weight beyond the cap'
  return row.some((weight) => weight > row[label]) ? 'counts against its own label' : null
}
