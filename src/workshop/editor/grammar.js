// The colours of a template: minijinja's tags on top, the Markdown between them underneath. A tokenizer by line, not a
// parser: what is right is for the relay to say.

const KEYWORDS = new Set(('if elif else endif for endfor in not and or is set endset include import from macro endmacro '
  + 'call endcall block endblock extends filter endfilter with endwith raw endraw autoescape endautoescape do continue '
  + 'break recursive ignore missing as').split(' '));
const ATOMS = new Set(['true', 'false', 'none', 'True', 'False', 'None']);
const OPENERS = { '{{': '}}', '{%': '%}', '{#': '#}' };

export const grammar = {
  name: 'template',
  // `close` is what ends the tag that the line is in; `quote` the string in it; `piped` that a filter's name follows.
  startState: () => ({ close: null, quote: null, piped: false, heading: false, bold: false }),
  token(stream, state) {
    if (stream.sol()) state.heading = false;
    if (state.close === '#}') return comment(stream, state);
    if (state.close) return tag(stream, state);
    return markdown(stream, state);
  },
  blankLine(state) {
    state.heading = false;
    state.bold = false;
  },
  languageData: { commentTokens: { block: { open: '{#', close: '#}' } } },
};

function comment(stream, state) {
  if (stream.skipTo('#}')) {
    stream.match('#}');
    state.close = null;
  } else {
    stream.skipToEnd();
  }
  return 'comment';
}

function tag(stream, state) {
  if (state.quote) return string(stream, state);
  if (stream.eatSpace()) return null;
  if (stream.match(new RegExp(`^[-+]?${state.close}`))) {
    state.close = null;
    return 'meta';
  }
  const quote = stream.match(/^["']/);
  if (quote) {
    [state.quote] = quote;
    return string(stream, state);
  }
  if (stream.match(/^\d[\d_]*(\.\d+)?/)) return 'number';
  const word = stream.match(/^[\p{L}_][\p{L}\p{N}_]*/u);
  if (word) return name(word[0], stream, state);
  state.piped = stream.peek() === '|';
  stream.next();
  return 'operator';
}

function name(word, stream, state) {
  const filter = state.piped;
  state.piped = false;
  if (KEYWORDS.has(word)) return 'keyword';
  if (ATOMS.has(word)) return 'atom';
  return filter || stream.match(/^\s*\(/, false) ? 'labelName' : 'variableName';
}

function string(stream, state) {
  for (let escaped = false; !stream.eol();) {
    const next = stream.next();
    if (next === state.quote && !escaped) {
      state.quote = null;
      break;
    }
    escaped = next === '\\' && !escaped;
  }
  return 'string';
}

function markdown(stream, state) {
  const open = stream.match(/^(\{\{|\{%|\{#)[-+]?/);
  if (open) {
    state.close = OPENERS[open[1]];
    state.piped = false;
    return open[1] === '{#' ? 'comment' : 'meta';
  }
  if (stream.sol()) {
    if (stream.match(/^ {0,3}#{1,6}(?=\s)/)) {
      state.heading = true;
      return 'heading';
    }
    if (stream.match(/^ {0,3}(-{3,}|\*{3,}|_{3,})\s*$/)) return 'contentSeparator';
    if (stream.match(/^\s*>/)) return 'quote';
    if (stream.match(/^\s*([-*+]|\d+[.)])(?=\s)/)) return 'list';
  }
  if (stream.match('**')) {
    state.bold = !state.bold;
    return 'strong';
  }
  if (stream.match(/^`[^`]*`/)) return 'monospace';
  if (stream.match(/^!?\[[^\]{]*\]\([^){]*\)/)) return 'link';
  stream.next();
  stream.eatWhile(/[^{*`![]/);
  if (state.heading) return 'heading';
  return state.bold ? 'strong' : null;
}
