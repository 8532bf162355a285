// Runs the vector runner, compiled to WebAssembly, over the folders given.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [module, ...folders] = process.argv.slice(2);
const wasi = new WASI({
  version: 'preview1',
  args: ['engine-vectors', ...folders],
  preopens: { '.': process.cwd() },
  returnOnExit: true,
});
const { instance } = await WebAssembly.instantiate(await readFile(module), wasi.getImportObject());
process.exitCode = wasi.start(instance);
