// Takes the edited text out of the page: to the clipboard or as a file. Nothing is written on the server.

/** Copies; works on plain http too, where browsers offer no clipboard to scripts but the old command. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = document.createElement('textarea');
    const focused = document.activeElement;
    box.value = text;
    box.className = 'unseen';
    document.body.append(box);
    box.select();
    const copied = document.execCommand('copy');
    box.remove();
    focused?.focus();
    return copied;
  }
}

/** Offers the text as a download with the file's name. */
export function download(file, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = file.split('/').pop();
  link.click();
  URL.revokeObjectURL(link.href);
}
