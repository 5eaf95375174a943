// Which template, which file of it and which language are open, and what is asked of the relay for them.

import { fill } from './choices.js';
import { Folder } from './folder.js';

const byId = (id) => document.getElementById(id);
const template = byId('template');
const file = byId('file');
const language = byId('language');

export const folder = new Folder();
export const name = () => template.value;
export const path = () => file.value;
export const entry = () => folder.files.get(file.value);
const ownFile = () => folder.templates.find((one) => one.name === template.value)?.file;
const knows = (one) => folder.templates.some((known) => known.name === one);

/** The file that a request was about. */
export function fileOf(sent) {
  return sent.file ?? folder.templates.find((one) => one.name === sent.template)?.file;
}

/** Whether a template is for bodies of other programs: it reads `payload`, here or in the relay. */
export function readsPayload(one) {
  const known = folder.templates.find((entry) => entry.name === one);
  return Boolean(known && (known.reads_payload || /\bpayload\b/.test(folder.text(known.file))));
}

/** The text in the editor is sent even when it is the file's: then the remarks are about exactly what is seen. Edits of
 * other files go with it, so that a template and its partials are tried together. */
export function request(source, notification) {
  const body = { template: template.value, source, ...notification };
  if (language.value) body.language = language.value;
  if (file.value !== ownFile()) body.file = file.value;
  const others = folder.unsaved.filter((one) => one !== file.value);
  if (others.length) body.sources = Object.fromEntries(others.map((one) => [one, folder.text(one)]));
  return body;
}

/** What the address says of it. */
export function choices() {
  return { template: template.value, file: file.value === ownFile() ? '' : file.value, language: language.value };
}

/** Opens a template, and of it a file; what is not there is left. */
export function choose(one, of) {
  if (knows(one)) template.value = one;
  fillFiles();
  file.value = folder.related(template.value).some((known) => known.file === of) ? of : ownFile();
}

/** Opens what an address asks for, which may be nothing. */
export function restore(asked, fallback) {
  choose([asked.template, fallback].find(knows) ?? template.value, asked.file);
  language.value = [...language.options].some((option) => option.value === asked.language) ? asked.language : '';
}

/** Offers what there is, and keeps the choice; says whether nothing was offered before. */
export function offer(fallback, languages) {
  const isFirst = template.options.length === 0;
  const title = (one) => `${one.name}${one.name === fallback ? ' (default)' : one.isNew ? ' (new)' : ''}`;
  fill(template, [['', folder.templates.map((one) => [one.name, title(one)])]]);
  fillFiles();
  fill(language, [['', [['', 'the relay’s'], ...languages.map((one) => [one, one])]]]);
  return isFirst;
}

function fillFiles() {
  fill(file, [['', folder.related(template.value).map((one) => [one.file, one.file])]]);
}
