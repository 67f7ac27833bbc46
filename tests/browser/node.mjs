// usage: node node.mjs PYODIDE WHEEL LADING.ZIP PROGRAM REGISTRY CLOSED

import { readFileSync } from "node:fs";
import { run } from "./run.mjs";

const [pyodide, wheel, lading, program, registry, closed] = process.argv.slice(2);
const { loadPyodide } = await import(`${pyodide}/pyodide.mjs`);
const bytes = (path) => new Uint8Array(readFileSync(path));
const files = { wheel: bytes(wheel), lading: bytes(lading), program: bytes(program) };
console.log(await run(loadPyodide, files, registry, closed));
