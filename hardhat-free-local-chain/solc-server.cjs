// The same compiler for scripts/mutants.py, kept loaded: one standard JSON a line in, one a line out. A source that is not in the
// input is read from the project's root (the working directory), or from npm's OpenZeppelin.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { createInterface } = require("node:readline");
const solc = require("solc");

const read = (path) => {
  const folder = path.startsWith("@") ? join(__dirname, "node_modules") : process.cwd();
  try {
    return { contents: readFileSync(join(folder, path), "utf8") };
  } catch (error) {
    return { error: error.message };
  }
};

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(solc.compile(line, { import: read }) + "\n");
});
