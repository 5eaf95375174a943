// Writes the licences of all packages that esbuild put into the bundle, by its own list of inputs.

import { readFileSync } from 'node:fs';

const { inputs } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const packages = new Set(Object.keys(inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter(Boolean));
const texts = new Map();
for (const name of [...packages].sort()) {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  const text = readFileSync(`node_modules/${name}/LICENSE`, 'utf8').trim();
  texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
}
for (const [text, names] of texts) console.log(`${names.join(', ')}\n\n${text}\n`);
