// The incident in time-lapse: which step the room is at, and the buttons to hold it, step it, and play it again.

const byId = (id) => document.getElementById(id);
const POLL_MS = 1000;

/** Keeps the bar current while somebody looks; the steps come from the demo itself. */
export async function watchLapse() {
  for (const wish of ['pause', 'step', 'again']) byId(`lapse-${wish}`).addEventListener('click', () => press(wish));
  for (;;) {
    try {
      show(await (await fetch('demo/lapse')).json());
    } catch {
      // The room says that the connection is lost.
    }
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
    if (document.hidden) await new Promise((resolve) => { document.addEventListener('visibilitychange', resolve, { once: true }); });
  }
}

async function press(wish) {
  const isHeld = byId('lapse-pause').dataset.held === 'true';
  const body = JSON.stringify({ wish: wish === 'pause' && isHeld ? 'play' : wish });
  const answer = await fetch('demo/lapse', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  if (answer.ok) show(await answer.json());
}

function show({ steps, played, playing, pause_seconds: pause }) {
  const isOver = played >= steps.length;
  const where = `step ${played} of ${steps.length}`;
  const how = isOver ? `A sample incident was played to its end, ${where}`
    : playing ? `A sample incident plays, a step each ${pause} seconds, ${where}`
      : `A sample incident is on hold at ${where}`;
  say('lapse-said', played ? `${how}: ${steps[played - 1]}.` : `${how}.`);
  byId('lapse-pause').hidden = isOver;
  byId('lapse-step').hidden = isOver;
  byId('lapse-pause').dataset.held = !playing;
  say('lapse-pause', playing ? 'Hold' : 'Play on');
}

// What says the same is not read out again.
function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}
