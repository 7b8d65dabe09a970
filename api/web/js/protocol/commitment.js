/** What binds an answer, without the seal: an auditor needs this and no cipher. */

import { tagged } from './bytes.js'

export const commitment = (job, task, worker, payloadHash, salt) => tagged('commitment', job, task, worker, payloadHash, salt)
