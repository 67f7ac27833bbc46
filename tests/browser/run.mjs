// Runs a Python program on Pyodide, in a page or under Node.js, and returns what its main() returns: JSON.

export async function run(loadPyodide, files, registry, closed) {
  const python = await loadPyodide();
  for (const archive of [files.wheel, files.lading]) {
    python.unpackArchive(archive, "zip", { extractDir: "/packages" });
  }
  python.runPython("import sys; sys.path.insert(0, '/packages')");
  python.runPython(new TextDecoder().decode(files.program));
  return await python.runPythonAsync(`await main(${JSON.stringify(registry)}, ${JSON.stringify(closed)})`);
}
