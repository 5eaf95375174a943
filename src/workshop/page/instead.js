// What is shown where a draft does not work, and the sentence that says so on the message: the draft before the error, or what the
// relay sends now. A body that is not for its template is no fault of either, and nothing is shown for it.

import * as selection from './selection.js';
import { misfit } from './fit.js';

// The newest answer of a draft that worked, by what was looked at.
const worked = new Map();
const MOST = 20;

const key = ({ source, sources, ...looked }) => JSON.stringify(looked);
const isError = (one) => one.severity !== 'warning';

/** The answer to show for a draft, `{ answer, note, isJudged }`; `body` is the notification that it is about. */
export function settle(answer, sent, body) {
  const of = key(sent);
  const isDraft = selection.folder.edited(selection.fileOf(sent)) || Boolean(sent.sources);
  if (!answer.stands_in) {
    if (isDraft) {
      worked.delete(of);
      worked.set(of, answer);
      if (worked.size > MOST) worked.delete(worked.keys().next().value);
    } else {
      worked.delete(of);
    }
    return { answer, note: null, isJudged: true };
  }
  const wrong = body && !Array.isArray(body) && selection.readsPayload(sent.template) ? misfit(body, sent.template) : null;
  if (wrong && !isDraft) return nothing(wrong);
  const before = isDraft ? worked.get(of) : undefined;
  const what = before ? 'your draft before it.' : isDraft ? 'what the relay sends now, without your changes.' : 'what the relay sends now.';
  const shown = before ?? answer;
  const text = [fault(answer.diagnostics, sent, isDraft), shown.messages.length ? `Shown: ${what}` : ''].join(' ');
  return { answer: { ...shown, diagnostics: answer.diagnostics, stands_in: true }, note: { text, template: wrong?.template }, isJudged: true };
}

/** The same for a body that the relay refuses for this template; `null` where it is not that. */
export function refused(error, sent, body) {
  if (error.status !== 422 || !/^(payload|sequence)\b/.test(error.field ?? '') || !body) return null;
  const wrong = Array.isArray(body) ? body.map((one) => misfit(one, sent.template)).find(Boolean) : misfit(body, sent.template);
  return nothing(wrong ?? { text: `The relay cannot read this body: ${error.message}` });
}

function nothing(note) {
  return { answer: { messages: [], markdown: '', limit: 1, diagnostics: [], stands_in: true }, note, isJudged: false };
}

function fault(diagnostics, sent, isDraft) {
  const error = diagnostics.find((one) => isError(one) && one.line) ?? diagnostics.find(isError);
  const own = selection.fileOf(sent);
  const line = error?.line ? ` in line ${error.line}` : '';
  if (error && error.file !== own) return `There is an error in ${error.file}${line && `,${line.slice(3)}`}.`;
  return `${isDraft ? 'Your text' : 'The file'} has an error${line}.`;
}
