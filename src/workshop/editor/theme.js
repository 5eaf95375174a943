// How the editor looks: the page's own colours, by its custom properties, so that light and dark need nothing here.

import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorView } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '13px', color: 'var(--text)', backgroundColor: 'var(--surface)' },
  // The page draws the focus ring around the whole editor.
  '&.cm-focused': { outline: '0' },
  '.cm-scroller': {
    fontFamily: '"JetBrains Mono", ui-monospace, "SFMono-Regular", Menlo, Consolas, "Noto Sans Mono", monospace, "Noto Color Emoji"',
    lineHeight: '1.6',
    scrollbarWidth: 'thin',
    scrollbarColor: 'var(--line) transparent',
  },
  '.cm-content': { padding: '8px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 12px 0 6px' },
  '.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--text)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--select)',
  },
  '.cm-activeLine': { backgroundColor: 'var(--active)' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--soft)', border: '0' },
  '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--text)' },
  '.cm-lineNumbers .cm-gutterElement': { minWidth: '26px', padding: '0 6px 0 0' },
  '.signs .cm-gutterElement': { width: '20px' },
  '.sign': {
    display: 'grid', placeItems: 'center', margin: '3px 0 0 3px', width: '14px', height: '14px', borderRadius: '50%', color: 'var(--surface)',
    fontSize: '9px', fontWeight: '700', lineHeight: '1',
  },
  '.sign-error': { backgroundColor: 'var(--fire)' },
  '.sign-warning': { backgroundColor: 'var(--warm)' },
  '.line-error': { backgroundColor: 'color-mix(in srgb, var(--fire) 10%, transparent)' },
  '.line-warning': { backgroundColor: 'color-mix(in srgb, var(--warm) 10%, transparent)' },
  '.remark': {
    marginLeft: '14px', padding: '1px 8px', borderRadius: '6px', fontSize: '12px', userSelect: 'none',
    fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface)', color: 'var(--text)', border: '1px solid var(--line)', borderRadius: '10px', boxShadow: 'var(--shadow)',
    overflow: 'hidden', zIndex: '20',
  },
  // The box with the help stands in it, beside the list.
  '.cm-tooltip.cm-tooltip-autocomplete': { overflow: 'visible' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'inherit', maxHeight: '15em', maxWidth: 'min(460px, 94vw)', borderRadius: '9px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': {
    display: 'flex', alignItems: 'baseline', gap: '14px', padding: '4px 12px', minHeight: '28px', lineHeight: '20px',
  },
  '@media (max-width: 900px)': {
    '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { minHeight: '44px', alignItems: 'center', alignContent: 'center', flexWrap: 'wrap', gap: '0 14px' },
  },
  '.help': {
    flexBasis: '100%', fontSize: '12px', lineHeight: '16px', color: 'var(--soft)', whiteSpace: 'normal', minWidth: '0',
    fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--text)' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700', color: 'var(--accent)' },
  '.cm-completionDetail': {
    marginLeft: 'auto', fontStyle: 'normal', fontSize: '12px', color: 'var(--soft)', overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap',
    maxWidth: '200px',
  },
  '.cm-tooltip.cm-completionInfo': {
    padding: '8px 12px', maxWidth: '300px', fontSize: '12.5px', lineHeight: '1.45',
    fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  },
  '.remark-error': { color: 'var(--fire)', backgroundColor: 'color-mix(in srgb, var(--fire) 12%, var(--surface))' },
  '.remark-warning': { color: 'var(--warm)', backgroundColor: 'color-mix(in srgb, var(--warm) 12%, var(--surface))' },
});

const colours = HighlightStyle.define([
  { tag: tags.meta, color: 'var(--code-tag)' },
  { tag: tags.keyword, color: 'var(--code-keyword)', fontWeight: '600' },
  { tag: [tags.string, tags.monospace], color: 'var(--code-string)' },
  { tag: [tags.number, tags.atom], color: 'var(--code-number)' },
  { tag: tags.labelName, color: 'var(--code-filter)' },
  { tag: tags.variableName, color: 'var(--code-name)' },
  { tag: [tags.operator, tags.contentSeparator, tags.list], color: 'var(--soft)' },
  { tag: tags.comment, color: 'var(--code-comment)', fontStyle: 'italic' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.strong, fontWeight: '700' },
  { tag: tags.link, color: 'var(--accent)', textDecoration: 'underline' },
  { tag: tags.quote, color: 'var(--soft)' },
]);

export const theme = [look, syntaxHighlighting(colours)];
