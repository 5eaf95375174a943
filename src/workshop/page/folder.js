// The templates folder as the relay has it, and the edits that exist in this page only.
//
// An edit remembers the file's text that it started from. When the file changes meanwhile, the edit stays, and the user
// decides; when the file becomes the edit, the edit is over.

/** What is known of the files; `apply` takes a newer state from the relay. */
export class Folder {
  files = new Map();
  #edits = new Map();

  /** Takes the relay's list; returns the paths whose text on disk is another one now. */
  apply(templates) {
    const before = this.files;
    this.files = new Map(templates.map((entry) => [entry.file, entry]));
    for (const [file, edit] of this.#edits) {
      // A file that is gone takes no edit with it.
      if (!this.files.has(file)) this.files.set(file, before.get(file));
      if (this.files.get(file)?.text === edit.text) this.#edits.delete(file);
    }
    return [...this.files.values()].filter((entry) => before.get(entry.file)?.text !== entry.text).map((entry) => entry.file);
  }

  /** The edit, or else the file. */
  text(file) {
    return this.#edits.get(file)?.text ?? this.files.get(file)?.text ?? '';
  }

  edit(file, text) {
    if (text === this.files.get(file)?.text) this.#edits.delete(file);
    else this.#edits.set(file, { text, base: this.#edits.get(file)?.base ?? this.files.get(file)?.text });
  }

  discard(file) {
    this.#edits.delete(file);
  }

  /** The user has seen that the file changed and goes on with the edit. */
  keep(file) {
    const edit = this.#edits.get(file);
    if (edit) edit.base = this.files.get(file)?.text;
  }

  edited(file) {
    return this.#edits.has(file);
  }

  /** Whether the file is not the one any more that the edit started from. */
  overtaken(file) {
    const edit = this.#edits.get(file);
    return edit !== undefined && edit.base !== this.files.get(file)?.text;
  }

  get unsaved() {
    return [...this.#edits.keys()];
  }

  /** The files that can be edited for a template: its own, then the partials. */
  related(template) {
    const all = [...this.files.values()];
    return all.filter((entry) => entry.name === template || isPartial(entry));
  }

  get templates() {
    return [...this.files.values()].filter((entry) => !isPartial(entry));
  }
}

function isPartial(entry) {
  return !entry.name || entry.file.startsWith('partials/');
}
