// Loaded before js-ipfs: what its dependencies want of a newer Node, and an end with the process that started it.
"use strict";
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
if (process.env.CROWDPROOF_STDIN === "open") {
  process.stdin.on("close", () => process.kill(process.pid, "SIGTERM")).on("error", () => {}).resume();
}
