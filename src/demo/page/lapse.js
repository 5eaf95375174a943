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
  const last = steps[played - 1];
  const how = isOver ? 'over' : playing ? `every ${pause} seconds` : 'held';
  say('lapse-said', `Time-lapse of an incident, ${how}: ${played} of ${steps.length}${last ? `, ${last}` : ''}`);
  byId('lapse-pause').hidden = isOver;
  byId('lapse-step').hidden = isOver;
  byId('lapse-pause').dataset.held = !playing;
  say('lapse-pause', playing ? 'Hold' : 'Play on');
}

// What says the same is not read out again.
function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}
