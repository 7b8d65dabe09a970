// Made by `python -m scripts.clients` of api/clients/openapi.json: change the API, not this file.

export interface AnswerIn { job: number; task: number; worker: number; key?: number; commitment: string; sealHash: string; signature: string; envelope: string; expiry: number; assignedBy: string }
export interface AnswersIn { answers: Array<AnswerIn> }
export interface ApproveIn { amount: number }
export interface Assigned { assignment: MyAssignment; title: string; instructions: string; classes: Array<string>; asked: Record<string, unknown> | null; payload: unknown; draft?: unknown }
export interface Assignment { job: number; task: number; worker: number; expiry: number; terms: string; signature: string; seal: string }
export interface Balance { worker: number; wallet: string; cumulative: string; claimed: string; claimable: string; pending: string; units: number; epoch: number; earnings: string; proof: Array<string> }
export interface Band { band: number; answers: number; agreement: number }
export interface BandKey { member: string; band: number; key: string; signature: string }
export interface Bands { job: number; terms: string; bands: Array<Band>; keys: Array<BandKey> }
export interface Call { what: string; to: string; data: string; value: string }
export interface Certified { signatures: Array<SignedPoint> }
export interface Change { row: number; field: string; kind: string; method: string }
export interface Checked { ok: boolean; flaws: Array<Flaw>; quote?: Quote | null; changes?: Array<Change> }
export interface ClaimIn { worker: number; cumulative: number; validUntil: number; signature: string }
export interface ContestIn { job: number; task: number; worker: number; title?: string; text?: string }
export interface ContestStepIn { contest: number; step: string }
export interface Credential { job: number; band: number; wallet: string; signatures: Array<SignedPoint> }
export interface Draft { draft?: unknown }
export interface Earning { epoch: number; job: number; task: number; amount: string; state: string; transaction: string; content: string }
export interface Earnings { worker: number; pending: string; claimable: string; paid: string; earnings: Array<Earning> }
export interface Epoch { epoch: number; status: string; head: string; digest: string; content: string; transaction: string; postedAt: number; verdicts: number; total: string }
export interface EpochDetail { epoch: number; status: string; head: string; digest: string; content: string; transaction: string; postedAt: number; verdicts: number; total: string; header: Record<string, unknown>; signers: Array<string>; signatures: Array<string>; debits: Array<Record<string, unknown>>; challengeUntil: number; trees: Record<string, Record<string, unknown>> }
export interface Evidence { verdict: Verdict; classes: Array<string>; prior: Array<number>; scores: Array<number>; cores: string; openingHashes: string; pay: number; answers: Array<Record<string, unknown>>; weights: Array<WeightLeaf>; header: Record<string, unknown>; signatures: Array<string>; committee: Record<string, unknown> }
export interface FaucetIn { wallet: string; coin?: number; tokens?: number }
export interface Flaw { row?: number | null; field?: string | null; what: string }
export interface Given { wallet: string; coin: number; tokens: string }
export interface Health { status: string }
export interface Hook { hook: string; url: string; kinds: Array<string>; job: number | null; cursor: string; failures: number; secret?: string | null }
export interface HookIn { url: string; kinds?: Array<string>; job?: number | null }
export interface Imported { changes?: Array<Change>; ok: boolean; rows: number; tasks: Array<TaskIn>; flaws: Array<Flaw> }
export interface Input { task: number; id: string; label: string; confidence: number }
export interface Job { job: number; requester: string; terms: string; manifest: string; classes: number; tasks: number; answers: number; base: string; bonus: string; deadline: number; escrow: string; refunded: string }
export interface JobDraft { terms: string; title: string; deadline: number; quote: Quote; manifest: string; permit?: Record<string, unknown> | null; transactions?: Transactions | null; job?: number | null; replaced?: Record<string, number> }
export interface JobDraftIn { manifest: Record<string, unknown>; tasks: Array<TaskIn> }
export interface JobIn { job: number }
export interface JobKey { job: number; key: string }
export interface Leaf { index: number; value: unknown; leaf: string; proof: Array<string> }
export interface Log { cursor: string; block: number; index: number; transaction: string; timestamp: number; kind: string; fields: Record<string, unknown> }
export interface Member { address: string; stake: string; alive?: boolean | null }
export interface MyAssignment { job: number; task: number; id: string; state: string; expiry: number; terms: string; signature: string; seal: string; answer?: string | null; epoch?: number | null; label?: string | null; verdict?: string | null; agreed?: boolean | null; paid?: string | null; why?: string | null; contestUntil?: number | null }
export interface Node { chainId: number; block: number; head: number; lag: number; now: number; window: number; quorum: number; members: Array<Member>; jobs: number; workers: number; epochs: number; pending: number | null; pendingUntil: number | null; ready: boolean; waits: Array<string>; faucet: boolean }
export interface Nonce { nonce: string; expiresAt: number; domain: string; uri: string; chainId: number; message?: string | null }
export interface OpenIn { terms: string; permit?: PermitIn | null }
export interface Page { local: boolean; rpc: string; faucet: boolean }
export interface PermitDataIn { owner: string; amount: number; deadline: number }
export interface PermitIn { deadline: number; signature: string }
export interface Problem { type: string; title: string; status: number; detail: string }
export interface Progress { job: number; phase: string; paused: boolean; now: number; deadline: number; refundsFrom: number; tasks: number; wanted: number; assigned: number; answered: number; decided: number; final: number; escrow: string; debited: string; refunded: string; locked: string }
export interface Queued { status: string }
export interface Quote { tasks: number; answers: number; classes: number; base: string; bonus: string; pay: string; fee: string; escrow: string }
export interface QuoteIn { manifest: Record<string, unknown>; tasks: number }
export interface Ready { ready: boolean; waits: Array<string> }
export interface Receipt { root: string; size: number; answers: Array<string>; signatures: Array<string> }
export interface Record { worker: number; wallet: string; chainId: number; market: string; answers: number; counted: number; agreed: number; agreement: number | null; earned: string; jobs: Array<RecordOfJob>; epochs: Array<string> }
export interface RecordOfJob { job: number; answers: number; counted: number; agreed: number; expected: number; earned: string }
export interface Refutation { did: string; what: string; faults: Array<string>; missing: number; transactions: Transactions }
export interface RefuteIn { epoch: number; beneficiary: string }
export interface RegistrationIn { wallet: string; key: string; validUntil: number; signature: string }
export interface ReleaseIn { query: Record<string, unknown>; groups?: Record<string, string> }
export interface Session { wallet?: string | null; worker?: number | null; expiresAt?: number | null; token?: string | null }
export interface SignIn { message: string; signature: string; bearer?: boolean }
export interface SignedPoint { member: string; signature: string }
export interface StakeIn { member: string; wei: number }
export interface Statistics { job: number; decided: number; answers: number; agreement: number | null; meanConfidence: number | null; confidence: Array<number>; labels: Record<string, number>; workers: Array<WorkerQuality> }
export interface Task { task: number; id: string; payload: unknown; inputs?: Array<Input> }
export interface TaskIn { id: string; payload?: unknown; gold?: string | null }
export interface Template { name: string; title: string; description: string; manifest: Record<string, unknown>; tasks: Array<TaskIn> }
export interface TopUpIn { job: number; amount: number }
export interface Transactions { chainId: string; calls: Array<Call>; atomicRequired?: boolean }
export interface TypedDataIn { kind: string; message: Record<string, unknown> }
export interface Verdict { job: number; task: number; id: string; label: string; confidence: number; gold?: string | null; epoch: number; status: string; index: number; content: string; leaf: string; proof: Array<string> }
export interface WeightLeaf { index: number; worker: number; label: number; row: Array<number>; leaf: string; proof: Array<string> }
export interface WishIn { job: number; worker: number; band: number; blinded: string; signature: string }
export interface Work { job: number; title: string; requester: string; classes: Array<string>; base: string; bonus: string; tasks: number; openPlaces: number; deadline: number; assignmentSeconds: number; visibility: string; qualifications: Array<string>; requesterJobs: number; requesterPaid: string; waitsFor: number | null; admitted: boolean | null; place: number | null }
export interface Worker { worker: number; wallet: string; keys: Array<string>; revoked: Array<number> }
export interface WorkerIn { worker: number }
export interface WorkerQuality { worker: number; answers: number; counted: number; agreed: number; agreement: number | null; paid: string }

/** A refusal: `problem.title` is a stable code, `problem.detail` says how to mend it. */
export class Refusal extends Error { problem: Problem; status: number; retryAfter: number | null }

export interface Options { token?: string; idempotencyKey?: string; signal?: AbortSignal }

export class Crowdproof {
  constructor(base?: string, options?: { token?: string; fetch?: typeof fetch });
  token: string | null;
  /** Every item of a list, page by page (RFC 8288). */
  pages<T>(path: string): AsyncGenerator<T>;
  /** Events after a cursor, and then as they come; goes on by itself where it was cut off. */
  follow(after?: string, options?: Options): AsyncGenerator<Log>;
  /** A batch of one job's sealed answers; the receipt is signed by a quorum. All or none is accepted. */
  answers(body: AnswersIn, options?: Options): Promise<Receipt>;
  /** A nonce that is good once; with `address` also the message for that wallet to sign. */
  nonce(query?: { address?: string | null }, options?: Options): Promise<Nonce>;
  /** Who is signed in, if anybody. */
  session(options?: Options): Promise<Session>;
  /** A session for the wallet that signed the message: as a cookie, or as a token for a bot. */
  signIn(body: SignIn, options?: Options): Promise<Session>;
  /** Ends this session. */
  signOut(options?: Options): Promise<void>;
  /** The members' signatures of a blinded wallet. The worker that asks gives up the job under its own name. */
  certify(body: WishIn, options?: Options): Promise<Certified>;
  /** Queues a worker for the relayer's next batch of claims; the money goes to the worker's wallet. */
  claimByRelay(body: ClaimIn, options?: Options): Promise<Queued>;
  /** From now on the wallet is asked in the job as who reaches the band, once it is registered. */
  handIn(body: Credential, options?: Options): Promise<Credential>;
  /** Addresses, ABIs and constants, as in deployment.json. */
  deployment(options?: Options): Promise<Record<string, unknown>>;
  /** Posted epochs from number `from` on, of one status. */
  epochs(query?: { from?: number; limit?: number; status?: string | null }, options?: Options): Promise<Array<Epoch>>;
  /** An epoch with its header as it was signed, its signers and its debits. */
  epoch(epoch: number, options?: Options): Promise<EpochDetail>;
  /** Leaves of one of an epoch's trees from index `from` on, each with its proof. */
  treeLeaves(epoch: number, tree: string, query?: { from?: number; limit?: number }, options?: Options): Promise<Array<Leaf>>;
  /** Events from now on, or after a cursor (-1.-1: from the first), as they come; named by their kind. */
  events(query?: { after?: string | null; kind?: string | null; job?: number | null; most?: number | null }, options?: Options): Promise<Response>;
  /** Coin and tokens for any address, on the local chain of a home alone. */
  faucet(body: FaucetIn, options?: Options): Promise<Given>;
  /** The process lives: on no thread that a slow request could hold, and without asking the chain. */
  health(options?: Options): Promise<Health>;
  /** A block's bytes (a trustless gateway: check them against the CID). */
  block(cid: string, options?: Options): Promise<void>;
  /** Jobs from number `from` on; of one requester, in one phase. */
  jobs(query?: { from?: number; limit?: number; requester?: string | null; phase?: string | null }, options?: Options): Promise<Array<Job>>;
  /** Everything that is wrong with a job, by field and by row, and what it would cost. */
  checkJob(body: JobDraftIn, options?: Options): Promise<Checked>;
  /** Your drafts, also those that are funded by now. */
  drafts(options?: Options): Promise<Array<JobDraft>>;
  /** Stores a job's content at the committee, and gives what funds it. The same again is the same draft. */
  draftJob(body: JobDraftIn, options?: Options): Promise<unknown>;
  /** Forgets a draft of yours; a job that is funded goes on. */
  dropDraft(terms: string, options?: Options): Promise<void>;
  /** A draft, with a fresh permit to sign and the transactions that fund it without one. */
  draft(terms: string, options?: Options): Promise<JobDraft>;
  /** Tasks from a CSV, JSONL or Parquet file in the body, without personal data; every flaw with its row and column. Nothing is stored. */
  importTasks(body: Blob | ArrayBuffer | Uint8Array, query: { name: string; policy?: string }, options?: Options): Promise<Imported>;
  /** What such a job with so many tasks locks, to the unit. */
  quoteJob(body: QuoteIn, options?: Options): Promise<Quote>;
  /** Job */
  job(job: number, options?: Options): Promise<Job>;
  /** What each band stands for, and the members' keys of it in this job: the same whoever asks. */
  bands(job: number, options?: Options): Promise<Bands>;
  /** Labels, confidences, raw answers and places of their proofs: as JSONL, CSV, Parquet; a CAR of all the data, for an audit without this API; or Croissant metadata of the others. What is sealed is opened for the job's requester alone. */
  export(job: number, query?: { format?: string }, options?: Options): Promise<void>;
  /** What opens the payloads of your job, and what epochs say of it where it is sealed: for an audit without this API. */
  key(job: number, options?: Options): Promise<JobKey>;
  /** What the requester asked for, as it is stored under the job's terms. */
  manifest(job: number, options?: Options): Promise<Record<string, unknown>>;
  /** No more offers for now. What is offered already may be answered, and the deadline stays. Twice is once. */
  pause(job: number, options?: Options): Promise<Progress>;
  /** How far a job is, and where its money is. */
  progress(job: number, options?: Options): Promise<Progress>;
  /** The job's privacy budget, what is spent of it, and every release, signed and chained. */
  ledger(job: number, options?: Options): Promise<Record<string, unknown>>;
  /** Noisy statistics of your job, for everyone, against its budget. The same question again costs nothing. */
  release(job: number, body: ReleaseIn, options?: Options): Promise<Record<string, unknown>>;
  /** Offers again. */
  resume(job: number, options?: Options): Promise<Progress>;
  /** Verdicts that are less sure than `below`, the least sure first, from the place `from` on. */
  review(job: number, query?: { below?: number; from?: number; limit?: number }, options?: Options): Promise<Array<Verdict>>;
  /** Agreement, confidence and quality by worker, of what is decided so far. */
  stats(job: number, options?: Options): Promise<Statistics>;
  /** Tasks from number `from` on, with what those before them that are decided hand to them. */
  tasks(job: number, query?: { from?: number; limit?: number }, options?: Options): Promise<Array<Task>>;
  /** Decided tasks from task number `from` on, each with its proof; of a sealed job for its requester alone. */
  verdicts(job: number, query?: { from?: number; limit?: number }, options?: Options): Promise<Array<Verdict>>;
  /** Verdict */
  verdict(job: number, task: number, options?: Options): Promise<Verdict>;
  /** All that recomputing one verdict takes, without trusting this API; of a sealed job for its requester alone. */
  evidence(job: number, task: number, options?: Options): Promise<Evidence>;
  /** Decoded events of the contracts, by block range, kind and job; as JSON, JSON Lines or CSV. */
  logs(query?: { after?: string; fromBlock?: number | null; toBlock?: number | null; kind?: string | null; job?: number | null; limit?: number; format?: string }, options?: Options): Promise<Array<Log>>;
  /** The JSON Schema of a manifest. */
  manifestSchema(options?: Options): Promise<Record<string, unknown>>;
  /** Your assignments with their states, ascending by job and task, from the place `from` on. */
  assignments(query?: { job?: number | null; state?: string | null; from?: number; limit?: number }, options?: Options): Promise<Array<MyAssignment>>;
  /** One of your tasks, with its payload; from then on it is ACTIVE. */
  assignment(job: number, task: number, options?: Options): Promise<Assigned>;
  /** Forget */
  forget(job: number, task: number, options?: Options): Promise<void>;
  /** Noted */
  noted(job: number, task: number, options?: Options): Promise<Draft>;
  /** Keeps what you have so far for a task; nobody else reads it, and the committee never sees it. */
  note(job: number, task: number, body: Draft, options?: Options): Promise<Draft>;
  /** Gives the task back, without a penalty; it is offered to somebody else. Doing it twice is doing it once. */
  giveBack(job: number, task: number, options?: Options): Promise<MyAssignment>;
  /** What you earned, task by task: pending, claimable or paid. */
  earnings(options?: Options): Promise<Earnings>;
  /** The same as CSV; amounts in the token's smallest unit. */
  earningsCsv(options?: Options): Promise<void>;
  /** Counts, for Prometheus. */
  metrics(options?: Options): Promise<void>;
  /** The committee and its stakes, the pending epoch and its window, blocks behind the head, and what is waited for. */
  node(options?: Options): Promise<Node>;
  /** What a front end needs to know of this server. */
  page(options?: Options): Promise<Page>;
  /** What it waits for; ready when that is nothing. A look is good for a second. */
  isReady(options?: Options): Promise<Ready>;
  /** The receipt of an answer, by its digest. */
  receipt(answer: string, options?: Options): Promise<Receipt>;
  /** Queues a wallet for the relayer's next registration; nothing to pay. */
  registerByRelay(body: RegistrationIn, options?: Options): Promise<Queued>;
  /** Jobs to begin with. */
  allTemplates(options?: Options): Promise<Array<Template>>;
  /** The Market may take so much of the sender's tokens. */
  approve(body: ApproveIn, options?: Options): Promise<Transactions>;
  /** Pays a worker all that is claimable, to its own wallet. Anybody may send it. (POST /claims does it without gas.) */
  claim(body: WorkerIn, options?: Options): Promise<Transactions>;
  /** Brings the deadline of the sender's own job forward to now. */
  close(body: JobIn, options?: Options): Promise<Transactions>;
  /** Contests the pay of an answer of the pending epoch, or its rejection; `value` is the deposit. */
  contest(body: ContestIn, options?: Options): Promise<Transactions>;
  /** The next step of a contest: confirm, raise, appeal or settle. */
  contestStep(body: ContestStepIn, options?: Options): Promise<Transactions>;
  /** Makes the pending epoch final, once its window is over. Anybody may send it. */
  finalise(options?: Options): Promise<Transactions>;
  /** Funds a draft of yours: with a permit in one transaction, else approve and open. */
  openJob(body: OpenIn, options?: Options): Promise<Transactions>;
  /** Gives the requester what is neither reserved nor owed, once the job is over. Anybody may send it. */
  refund(body: JobIn, options?: Options): Promise<Transactions>;
  /** What strikes an epoch that is wrong, or demands a leaf that is not there; nothing where it stands. */
  refutation(body: RefuteIn, options?: Options): Promise<Refutation>;
  /** The sender becomes a worker; its wallet is its answer key. (POST /registrations does it without gas.) */
  register(options?: Options): Promise<Transactions>;
  /** Coin for a member's stake, from anybody. */
  stake(body: StakeIn, options?: Options): Promise<Transactions>;
  /** More escrow for a job, from anybody: allow it, then add it. */
  topUp(body: TopUpIn, options?: Options): Promise<Transactions>;
  /** The sender's coin: bonds and rewards from contests, the hatch, strikes and demands. */
  withdraw(options?: Options): Promise<Transactions>;
  /** The EIP-712 document for a wallet to sign: no front end needs our encodings. */
  typedData(body: TypedDataIn, options?: Options): Promise<Record<string, unknown>>;
  /** An ERC-2612 permit for the Market, for the owner's wallet to sign. */
  permitData(body: PermitDataIn, options?: Options): Promise<Record<string, unknown>>;
  /** Your webhooks, and how they do. */
  ownHooks(options?: Options): Promise<Array<Hook>>;
  /** Events from now on, signed with the secret that this answer shows once. */
  addHook(body: HookIn, options?: Options): Promise<Hook>;
  /** Drop Hook */
  dropHook(hook: string, options?: Options): Promise<void>;
  /** Jobs that can be worked on, from number `from` on; signed in, also whether you are admitted and what waits for you. */
  work(query?: { from?: number; limit?: number }, options?: Options): Promise<Array<Work>>;
  /** By index or by wallet. */
  worker(worker: string, options?: Options): Promise<Worker>;
  /** What the worker was offered, each bound by a member's signature; for its own wallet alone. */
  offers(worker: string, query?: { job?: number | null }, options?: Options): Promise<Array<Assignment>>;
  /** What the worker earned, with the proof that a claim needs. */
  balance(worker: string, options?: Options): Promise<Balance>;
  /** A worker's record from final epochs alone, which are public: it can be taken along and recomputed. */
  record(worker: string, options?: Options): Promise<Record>;
}
