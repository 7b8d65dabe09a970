// Made by `python -m scripts.clients` of api/clients/openapi.json: change the API, not this file.

export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `status ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

export class Crowdproof {
  constructor(base = "", options = {}) {
    this.base = base.replace(/\/$/, "");
    this.token = options.token ?? null;
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  async ask(method, path, { query, body, bytes, options = {} } = {}) {
    const headers = {};
    const token = options.token ?? this.token;
    if (token) headers.Authorization = `Bearer ${token}`;
    if (options.idempotencyKey) headers["Idempotency-Key"] = options.idempotencyKey;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (bytes !== undefined) headers["Content-Type"] = "application/octet-stream";
    const asked = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
    const search = asked.length ? `?${new URLSearchParams(asked.map(([n, v]) => [n, String(v)]))}` : "";
    const response = await this.fetch(this.base + path + search, {
      method, headers, credentials: "same-origin", signal: options.signal,
      body: body !== undefined ? JSON.stringify(body) : bytes,
    });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({ title: "no-answer", detail: `status ${response.status}` }));
    const wait = response.headers.get("Retry-After");
    throw new Refusal(response.status, problem, wait === null ? null : Number(wait));
  }

  async *pages(path) {
    for (let next = path; next; ) {
      const response = await this.ask("GET", next);
      yield* await response.json();
      next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1] ?? null;
    }
  }

  async *follow(after = "-1.-1", options = {}) {
    for (let cursor = after; ; ) {
      const response = await this.ask("GET", "/events", { query: { after: cursor }, options });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read().catch(() => ({ done: true }));
        if (done) break;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const data = event.split("\n").find((line) => line.startsWith("data: "));
          if (!data) continue;
          const log = JSON.parse(data.slice(6));
          cursor = log.cursor;
          yield log;
        }
      }
      if (options.signal?.aborted) return;
    }
  }

  async answers(body, options) {
    return (await this.ask("POST", `/answers`, { body, options })).json();
  }

  async nonce(query, options) {
    return (await this.ask("GET", `/auth/nonce`, { query, options })).json();
  }

  async session(options) {
    return (await this.ask("GET", `/auth/session`, { options })).json();
  }

  async signIn(body, options) {
    return (await this.ask("POST", `/auth/sign-in`, { body, options })).json();
  }

  async signOut(options) {
    return void (await this.ask("POST", `/auth/sign-out`, { options }));
  }

  async certify(body, options) {
    return (await this.ask("POST", `/bands`, { body, options })).json();
  }

  async claimByRelay(body, options) {
    return (await this.ask("POST", `/claims`, { body, options })).json();
  }

  async handIn(body, options) {
    return (await this.ask("POST", `/credentials`, { body, options })).json();
  }

  async deployment(options) {
    return (await this.ask("GET", `/deployment`, { options })).json();
  }

  async epochs(query, options) {
    return (await this.ask("GET", `/epochs`, { query, options })).json();
  }

  async epoch(epoch, options) {
    return (await this.ask("GET", `/epochs/${encodeURIComponent(epoch)}`, { options })).json();
  }

  async treeLeaves(epoch, tree, query, options) {
    return (await this.ask("GET", `/epochs/${encodeURIComponent(epoch)}/${encodeURIComponent(tree)}`, { query, options })).json();
  }

  async events(query, options) {
    return this.ask("GET", `/events`, { query, options });
  }

  async faucet(body, options) {
    return (await this.ask("POST", `/faucet`, { body, options })).json();
  }

  async health(options) {
    return (await this.ask("GET", `/health`, { options })).json();
  }

  async block(cid, options) {
    return void (await this.ask("GET", `/ipfs/${encodeURIComponent(cid)}`, { options }));
  }

  async jobs(query, options) {
    return (await this.ask("GET", `/jobs`, { query, options })).json();
  }

  async checkJob(body, options) {
    return (await this.ask("POST", `/jobs/check`, { body, options })).json();
  }

  async drafts(options) {
    return (await this.ask("GET", `/jobs/drafts`, { options })).json();
  }

  async draftJob(body, options) {
    return (await this.ask("POST", `/jobs/drafts`, { body, options })).json();
  }

  async dropDraft(terms, options) {
    return void (await this.ask("DELETE", `/jobs/drafts/${encodeURIComponent(terms)}`, { options }));
  }

  async draft(terms, options) {
    return (await this.ask("GET", `/jobs/drafts/${encodeURIComponent(terms)}`, { options })).json();
  }

  async importTasks(body, query, options) {
    return (await this.ask("POST", `/jobs/import`, { query, bytes: body, options })).json();
  }

  async quoteJob(body, options) {
    return (await this.ask("POST", `/jobs/quote`, { body, options })).json();
  }

  async job(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}`, { options })).json();
  }

  async bands(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/bands`, { options })).json();
  }

  async export(job, query, options) {
    return void (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/export`, { query, options }));
  }

  async key(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/key`, { options })).json();
  }

  async manifest(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/manifest`, { options })).json();
  }

  async pause(job, options) {
    return (await this.ask("POST", `/jobs/${encodeURIComponent(job)}/pause`, { options })).json();
  }

  async progress(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/progress`, { options })).json();
  }

  async ledger(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/releases`, { options })).json();
  }

  async release(job, body, options) {
    return (await this.ask("POST", `/jobs/${encodeURIComponent(job)}/releases`, { body, options })).json();
  }

  async resume(job, options) {
    return (await this.ask("POST", `/jobs/${encodeURIComponent(job)}/resume`, { options })).json();
  }

  async review(job, query, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/review`, { query, options })).json();
  }

  async stats(job, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/statistics`, { options })).json();
  }

  async tasks(job, query, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/tasks`, { query, options })).json();
  }

  async verdicts(job, query, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/verdicts`, { query, options })).json();
  }

  async verdict(job, task, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/verdicts/${encodeURIComponent(task)}`, { options })).json();
  }

  async evidence(job, task, options) {
    return (await this.ask("GET", `/jobs/${encodeURIComponent(job)}/verdicts/${encodeURIComponent(task)}/evidence`, { options })).json();
  }

  async logs(query, options) {
    return (await this.ask("GET", `/logs`, { query, options })).json();
  }

  async manifestSchema(options) {
    return (await this.ask("GET", `/manifest.schema.json`, { options })).json();
  }

  async assignments(query, options) {
    return (await this.ask("GET", `/me/assignments`, { query, options })).json();
  }

  async assignment(job, task, options) {
    return (await this.ask("GET", `/me/assignments/${encodeURIComponent(job)}/${encodeURIComponent(task)}`, { options })).json();
  }

  async forget(job, task, options) {
    return void (await this.ask("DELETE", `/me/assignments/${encodeURIComponent(job)}/${encodeURIComponent(task)}/draft`, { options }));
  }

  async noted(job, task, options) {
    return (await this.ask("GET", `/me/assignments/${encodeURIComponent(job)}/${encodeURIComponent(task)}/draft`, { options })).json();
  }

  async note(job, task, body, options) {
    return (await this.ask("PUT", `/me/assignments/${encodeURIComponent(job)}/${encodeURIComponent(task)}/draft`, { body, options })).json();
  }

  async giveBack(job, task, options) {
    return (await this.ask("POST", `/me/assignments/${encodeURIComponent(job)}/${encodeURIComponent(task)}/return`, { options })).json();
  }

  async earnings(options) {
    return (await this.ask("GET", `/me/earnings`, { options })).json();
  }

  async earningsCsv(options) {
    return void (await this.ask("GET", `/me/earnings.csv`, { options }));
  }

  async metrics(options) {
    return void (await this.ask("GET", `/metrics`, { options }));
  }

  async node(options) {
    return (await this.ask("GET", `/node`, { options })).json();
  }

  async page(options) {
    return (await this.ask("GET", `/page`, { options })).json();
  }

  async isReady(options) {
    return (await this.ask("GET", `/ready`, { options })).json();
  }

  async receipt(answer, options) {
    return (await this.ask("GET", `/receipts/${encodeURIComponent(answer)}`, { options })).json();
  }

  async registerByRelay(body, options) {
    return (await this.ask("POST", `/registrations`, { body, options })).json();
  }

  async allTemplates(options) {
    return (await this.ask("GET", `/templates`, { options })).json();
  }

  async approve(body, options) {
    return (await this.ask("POST", `/transactions/approve`, { body, options })).json();
  }

  async claim(body, options) {
    return (await this.ask("POST", `/transactions/claim`, { body, options })).json();
  }

  async close(body, options) {
    return (await this.ask("POST", `/transactions/close`, { body, options })).json();
  }

  async contest(body, options) {
    return (await this.ask("POST", `/transactions/contest`, { body, options })).json();
  }

  async contestStep(body, options) {
    return (await this.ask("POST", `/transactions/contest-step`, { body, options })).json();
  }

  async finalise(options) {
    return (await this.ask("POST", `/transactions/finalise`, { options })).json();
  }

  async openJob(body, options) {
    return (await this.ask("POST", `/transactions/open`, { body, options })).json();
  }

  async refund(body, options) {
    return (await this.ask("POST", `/transactions/refund`, { body, options })).json();
  }

  async refutation(body, options) {
    return (await this.ask("POST", `/transactions/refute`, { body, options })).json();
  }

  async register(options) {
    return (await this.ask("POST", `/transactions/register`, { options })).json();
  }

  async stake(body, options) {
    return (await this.ask("POST", `/transactions/stake`, { body, options })).json();
  }

  async topUp(body, options) {
    return (await this.ask("POST", `/transactions/top-up`, { body, options })).json();
  }

  async withdraw(options) {
    return (await this.ask("POST", `/transactions/withdraw`, { options })).json();
  }

  async typedData(body, options) {
    return (await this.ask("POST", `/typed-data`, { body, options })).json();
  }

  async permitData(body, options) {
    return (await this.ask("POST", `/typed-data/permit`, { body, options })).json();
  }

  async ownHooks(options) {
    return (await this.ask("GET", `/webhooks`, { options })).json();
  }

  async addHook(body, options) {
    return (await this.ask("POST", `/webhooks`, { body, options })).json();
  }

  async dropHook(hook, options) {
    return void (await this.ask("DELETE", `/webhooks/${encodeURIComponent(hook)}`, { options }));
  }

  async work(query, options) {
    return (await this.ask("GET", `/work`, { query, options })).json();
  }

  async worker(worker, options) {
    return (await this.ask("GET", `/workers/${encodeURIComponent(worker)}`, { options })).json();
  }

  async offers(worker, query, options) {
    return (await this.ask("GET", `/workers/${encodeURIComponent(worker)}/assignments`, { query, options })).json();
  }

  async balance(worker, options) {
    return (await this.ask("GET", `/workers/${encodeURIComponent(worker)}/balance`, { options })).json();
  }

  async record(worker, options) {
    return (await this.ask("GET", `/workers/${encodeURIComponent(worker)}/record`, { options })).json();
  }
}
