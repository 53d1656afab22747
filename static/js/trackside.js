'use strict';
// Behaviour beyond plain HTML. Every page can be read, and every form sent, without this file.

const storage = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {
      // Private windows may refuse: the choice then lasts for this page.
    }
  },
};

const say = (message) => {
  const region = document.getElementById('announcer');
  region.textContent = '';
  // Emptied first, so that a screen reader announces the same words a second time.
  setTimeout(() => (region.textContent = message), 50);
};

const toast = (message, level = 'info', action = null) => {
  const region = document.getElementById('toasts');
  const template = document.getElementById('toast-template');
  const element = template.content.firstElementChild.cloneNode(true);
  element.classList.add(`banner-${level}`);
  element.querySelector('p').textContent = message;
  element.querySelector('button').addEventListener('click', () => element.remove());
  if (action) {
    const button = Object.assign(document.createElement('button'), { type: 'button', className: 'button button-small', textContent: action.label });
    button.addEventListener('click', action.run);
    element.querySelector('p').after(button);
  }
  region.append(element);
  if (level === 'info' || level === 'success') setTimeout(() => element.remove(), 8000);
};

// --- Preferences, remembered for the user on every machine

const remember = (values) => {
  if (!('signedIn' in document.body.dataset)) return;
  const headers = { 'HX-Request': 'true', ...JSON.parse(document.body.getAttribute('hx-headers')) };
  fetch(document.body.dataset.preferences, { method: 'POST', headers, body: new URLSearchParams(values) }).catch(() => {});
};

// --- Theme

const chooseTheme = (theme) => {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  storage.set('theme', theme);
  remember({ theme });
};

document.addEventListener('change', ({ target }) => {
  if (target.name === 'theme' && target.closest('[data-themes]')) chooseTheme(target.value);
  if (target.id === 'single-keys') storage.set('single-keys', target.checked ? '' : 'off');
});

// --- Times: the same words as the server's, so that an open page stays correct.

const UNITS = [
  [31536000, 'year'],
  [2592000, 'month'],
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
];

const relative = (moment, now) => {
  const seconds = (now - moment) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 60) return seconds > -1 ? 'just now' : 'in a moment';
  const [size, unit] = UNITS.find(([least]) => distance >= least);
  const count = Math.floor(distance / size);
  const words = `${count} ${unit}${count === 1 ? '' : 's'}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
};

const LOCAL = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'long',
  timeZone: document.body.dataset.timeZone,
});

const refreshTimes = (root = document) => {
  const now = Date.now();
  for (const element of root.querySelectorAll('time[datetime]')) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    if (!element.dataset.local) {
      element.dataset.local = LOCAL.format(moment);
      element.title = `${element.title}\n${element.dataset.local}`;
    }
    if ('exact' in element.dataset) continue;
    const text = relative(moment, now);
    if (element.textContent !== text) element.textContent = text;
  }
};

// --- Copying

const copyText = async (text, place = document.body) => {
  const focused = document.activeElement;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers offer the clipboard only over HTTPS; this older way works without.
    const area = document.createElement('textarea');
    area.value = text;
    place.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    focused?.focus();
    if (!copied) {
      say('Could not copy');
      return false;
    }
  }
  say('Copied');
  return true;
};

const copy = async (button) => {
  const text = button.dataset.copy || button.closest('.code').querySelector('code').textContent;
  if (!(await copyText(text, button))) return;
  button.dataset.copied = '';
  setTimeout(() => delete button.dataset.copied, 1500);
};

// --- Dialogs, menus and clicks

const openDialog = (id) => {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  dialog.showModal();
  if (id !== 'palette') return;
  const text = document.getElementById('palette-text');
  text.select();
  htmx.trigger(text, 'open');
};

// The palette: arrows move between the text and what was found, Enter follows the first.
const movePalette = (step) => {
  const stops = [document.getElementById('palette-text'), ...document.querySelectorAll('#palette-found a')];
  const next = stops.indexOf(document.activeElement) + step;
  stops[Math.max(0, Math.min(stops.length - 1, next))].focus();
};

const PALETTE_KEYS = {
  ArrowDown: () => movePalette(1),
  ArrowUp: () => movePalette(-1),
  Enter: (event) => {
    if (event.target.id === 'palette-text') document.querySelector('#palette-found a')?.click();
    else event.target.click();
  },
};

document.addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k' && document.getElementById('palette')) {
    event.preventDefault();
    openDialog('palette');
  } else if (event.target.closest?.('#palette') && event.key in PALETTE_KEYS && !event.isComposing) {
    event.preventDefault();
    PALETTE_KEYS[event.key](event);
  }
});

document.addEventListener('click', (event) => {
  const { target } = event;
  const copying = target.closest('[data-copy]');
  if (copying) copy(copying);
  const opener = target.closest('[data-dialog]');
  if (opener && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    openDialog(opener.dataset.dialog);
  }
  if (target.tagName === 'DIALOG') target.close();
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(target) || opener) menu.open = false;
  }
});

// --- Ticking rows: one by one, a range with shift, or all

let lastTicked = null;

const countTicked = (table) => {
  const ticks = [...table.querySelectorAll('tbody .tick input')];
  const ticked = ticks.filter((tick) => tick.checked).length;
  const all = table.querySelector('[data-tick-all]');
  if (all) {
    all.checked = ticked > 0 && ticked === ticks.length;
    all.indeterminate = ticked > 0 && ticked < ticks.length;
  }
  for (const counter of table.closest('.box')?.querySelectorAll('[data-ticked]') ?? []) counter.textContent = ticked;
};

document.addEventListener('click', (event) => {
  const tick = event.target.closest('.table .tick input');
  if (!tick) return;
  const table = tick.closest('table');
  const ticks = [...table.querySelectorAll('tbody .tick input')];
  if ('tickAll' in tick.dataset) {
    for (const other of ticks) other.checked = tick.checked;
  } else if (event.shiftKey && lastTicked && table.contains(lastTicked)) {
    const [from, to] = [ticks.indexOf(lastTicked), ticks.indexOf(tick)].sort((a, b) => a - b);
    for (const other of ticks.slice(from, to + 1)) other.checked = tick.checked;
  }
  lastTicked = tick;
  countTicked(table);
});

// --- The side panel of a list, and its current row

const panel = () => document.getElementById('panel');

const rowsOfList = () => [...document.querySelectorAll('.table-list tbody tr[id]')];

const currentRow = () => document.querySelector('.table-list tr.is-current') ?? document.activeElement?.closest('.table-list tbody tr');

const setCurrent = (row) => {
  for (const other of document.querySelectorAll('.table-list tr.is-current')) other.classList.remove('is-current');
  row.classList.add('is-current');
};

const moveCurrent = (step) => {
  const rows = rowsOfList();
  const row = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(currentRow()) + step))];
  if (!row) return;
  setCurrent(row);
  row.querySelector('.row-link').focus({ preventScroll: true });
  row.scrollIntoView({ block: 'nearest' });
  if (panel()?.querySelector('.panel-body')) openPanel(row, 'replaceState');
};

const addressWith = (pk) => {
  const address = new URL(location.href);
  if (pk) address.searchParams.set('open', pk);
  else address.searchParams.delete('open');
  return address.pathname + address.search;
};

const openPanel = async (row, change = 'pushState') => {
  const address = addressWith(row.id.slice(1));
  setCurrent(row);
  history[change]({ htmx: true }, '', address);
  await htmx.ajax('GET', address, { target: '#panel', swap: 'innerHTML' });
  if (change === 'pushState') panel().querySelector('h2')?.focus();
  refreshTimes(panel());
};

const closePanel = () => {
  panel().replaceChildren();
  history.pushState({ htmx: true }, '', addressWith(''));
  currentRow()?.querySelector('.row-link').focus({ preventScroll: true });
};

document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (event.target.closest('[data-close-panel]')) {
    event.preventDefault();
    closePanel();
    return;
  }
  const row = panel() && event.target.closest('.table-list tbody tr[id]');
  if (!row || event.target.closest('input, button, a:not(.row-link), .tick') || ownsSelection(row)) return;
  event.preventDefault();
  openPanel(row);
});

// What single keys do in a list that has a panel.
const LIST_KEYS = {
  j: () => moveCurrent(1),
  k: () => moveCurrent(-1),
  x: (row) => row.querySelector('.tick input')?.click(),
  o: (row) => location.assign(row.querySelector('.row-link').href),
  c: (row) => copyText(row.querySelector('.row-link').textContent),
  e: (row) => {
    const edit = document.querySelector('.table-list tbody .tick input:checked') && document.querySelector('[data-key="e"]');
    if (edit) edit.click();
    else if (panel() && row.querySelector('.tick input')) location.assign(`${row.querySelector('.row-link').href}edit/`);
  },
};

const pressListKey = (key) => {
  if (!document.querySelector('.table-list') || !(key in LIST_KEYS)) return false;
  const row = currentRow();
  if (!row && key !== 'j' && key !== 'k') return false;
  LIST_KEYS[key](row);
  return true;
};

// --- Keyboard

let waitingForPlace = 0;

const isTyping = (element) => element.closest('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');

document.addEventListener('keydown', (event) => {
  const { key, target } = event;
  if (key === 'Escape') {
    if (target.closest?.('dialog')) return;
    const menu = document.querySelector('details.menu[open]');
    if (menu) {
      menu.open = false;
      menu.querySelector('summary').focus();
    } else if (target.matches?.('input[type=search]')) {
      if (!target.value) return target.blur();
      target.value = '';
      target.form.requestSubmit();
    } else if (panel()?.querySelector('.panel-body')) closePanel();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(target) || document.querySelector('dialog[open]') || storage.get('single-keys') === 'off') return;
  if (Date.now() - waitingForPlace < 1500) {
    waitingForPlace = 0;
    const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (!link) return;
    event.preventDefault();
    link.click();
  } else if (key === 'g') {
    waitingForPlace = Date.now();
  } else if (pressListKey(key)) {
    event.preventDefault();
  } else if (key === '?') {
    event.preventDefault();
    openDialog('shortcuts');
  } else if (key === '/') {
    const search = document.querySelector('main input[type=search]');
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
});

// --- Sending: a busy button, a thin line after 200 ms, a question before unsaved input is lost

const line = () => document.getElementById('progress-line');
let working = 0;
let lineTimer = 0;

const startWork = () => {
  working += 1;
  if (working === 1) lineTimer = setTimeout(() => line().classList.add('is-on'), 200);
};

const endWork = () => {
  working = Math.max(0, working - 1);
  if (working) return;
  clearTimeout(lineTimer);
  line().classList.remove('is-on');
};

const setBusy = (form, submitter) => {
  for (const button of form.querySelectorAll('button:not([type=button]), input[type=submit]')) {
    if (button.disabled) continue;
    button.disabled = true;
    button.dataset.busy = '';
  }
  submitter?.classList.add('is-busy');
};

const setIdle = (root) => {
  for (const button of root.querySelectorAll('[data-busy]')) {
    button.disabled = false;
    delete button.dataset.busy;
    button.classList.remove('is-busy');
  }
};

const changedForms = new Set();

document.addEventListener('input', ({ target }) => {
  const form = target.closest('form[data-warn-unsaved]');
  if (form) changedForms.add(form);
});

addEventListener('beforeunload', (event) => {
  if ([...changedForms].some((form) => form.isConnected)) event.preventDefault();
});

// An edit shows each changed value beside the one before.
const valueOf = (control) => {
  if (control.type === 'checkbox') return control.checked ? 'yes' : 'no';
  if (control.type === 'radio') return control.labels[0].textContent.trim();
  return control.selectedOptions ? (control.selectedOptions[0]?.textContent ?? '') : control.value;
};

const showChange = (control) => {
  if (control.type === 'radio' && !control.checked) return;
  const field = control.closest('.field');
  field.querySelector('[data-change]')?.remove();
  const before = control.dataset.before;
  const after = valueOf(control);
  if (after === before) return;
  const line = document.createElement('div');
  line.className = 'field-help before-after';
  line.dataset.change = '';
  for (const [tag, text] of Object.entries({ del: before || 'none', span: '→', ins: after || 'none' })) {
    line.append(Object.assign(document.createElement(tag), { textContent: text }));
  }
  field.append(line);
};

const showChanges = () => {
  for (const control of document.querySelectorAll('[data-shows-changes] [data-before]')) showChange(control);
};

document.addEventListener('input', ({ target }) => {
  if ('before' in target.dataset && target.closest('[data-shows-changes]')) showChange(target);
});

// A form with two meanings: narrowing it, by ticking or typing, chooses the narrower one, and choosing the wider unticks.
document.addEventListener('input', ({ target }) => {
  const form = target.closest('form[data-narrowed-by]');
  if (!form) return;
  const [name, value] = form.dataset.narrow.split('=');
  const choice = [...form.elements].find((element) => element.name === name && element.value === value);
  const isTick = target.type === 'checkbox';
  if (target.name === form.dataset.narrowedBy && (isTick ? target.checked : target.value)) choice.checked = true;
  else if (target.name === name && !choice.checked) {
    for (const tick of form.querySelectorAll(`[type=checkbox][name="${form.dataset.narrowedBy}"]`)) tick.checked = false;
  }
});

// A name picked from suggestions becomes a line of the textarea below.
const addPicked = (target) => {
  if (![...(target.list?.options ?? [])].some((option) => option.value === target.value)) return;
  const area = document.getElementById(target.dataset.addsLine);
  const lines = area.value.split('\n').filter(Boolean);
  if (!lines.includes(target.value)) area.value = [...lines, target.value].join('\n');
  target.value = '';
  area.dispatchEvent(new Event('input', { bubbles: true }));
  say('Added');
};

document.addEventListener('input', ({ target, inputType }) => {
  // Not while typing: the name may be the beginning of another one.
  if ('addsLine' in target.dataset && inputType !== 'insertText') addPicked(target);
});

document.addEventListener('change', ({ target }) => {
  if ('addsLine' in target.dataset) addPicked(target);
});

// A session that ended: what was typed is kept in this tab, and is there again after signing in.
const KEPT = 'kept-forms';
const SECRET = /password|token|private_key|address|code|csrf|nonce/;

const here = () => location.pathname + location.search;

const valuesOf = (form) =>
  [...form.elements]
    .filter(({ name, type }) => name && !SECRET.test(name) && !['submit', 'button', 'password', 'file'].includes(type))
    .map(({ name, value, checked }) => [name, value, checked]);

const keepForms = () => {
  const forms = [...document.forms].map((form, index) => [form, index]).filter(([form]) => changedForms.has(form));
  const kept = { path: here(), forms: forms.map(([form, index]) => [index, valuesOf(form)]) };
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // Without storage the form has to be filled in again.
  }
  changedForms.clear();
};

const signInAndReturn = () => {
  keepForms();
  location.assign(`${document.body.dataset.signIn}?next=${encodeURIComponent(here())}`);
};

const fillIn = (form, values) => {
  for (const [name, value, checked] of values) {
    const controls = [...form.elements].filter((control) => control.name === name);
    const isChoice = ({ type }) => type === 'checkbox' || type === 'radio';
    for (const control of controls) {
      if (!isChoice(control)) control.value = value;
      else if (control.value === value) control.checked = checked;
    }
    controls[0]?.dispatchEvent(new Event('input', { bubbles: true }));
  }
};

const readKept = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
  } catch {
    return null;
  }
};

const restoreForms = () => {
  const kept = readKept();
  if (!kept || kept.path !== here() || !('signedIn' in document.body.dataset)) return;
  sessionStorage.removeItem(KEPT);
  for (const [index, values] of kept.forms) if (document.forms[index]) fillIn(document.forms[index], values);
  if (kept.forms.length) toast('What you entered before your session ended is here again. Nothing was sent yet.');
};

// Submitting leaves the page, and loses the input if the server is down or the session has ended. So check both first.
const answering = new WeakSet();
let wasSignedOut = false;

const REFUSALS = {
  away: 'Trackside does not answer. Nothing was sent and nothing was changed; what you entered is still here.',
  signedOut:
    'You are signed out. Nothing was sent; what you entered is still here. Sign in, here or in another tab, then send this again.',
};

const isSignIn = (address) => address && new URL(address).pathname === document.body.dataset.signIn;

// Signing in changes the CSRF token of open forms.
const renewTokens = (html) => {
  const headers = new DOMParser().parseFromString(html, 'text/html').body.getAttribute('hx-headers');
  document.body.setAttribute('hx-headers', headers);
  const token = JSON.parse(headers)['X-CSRFToken'];
  for (const field of document.querySelectorAll('[name=csrfmiddlewaretoken]')) field.value = token;
};

// Why nothing can be sent now: a key of REFUSALS, or nothing.
const findRefusal = async () => {
  const asked = { method: wasSignedOut ? 'GET' : 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(10000) };
  try {
    const answer = await fetch(document.body.dataset.answers, asked);
    if (answer.status >= 500) return 'away';
    if ('signedIn' in document.body.dataset && isSignIn(answer.url)) {
      wasSignedOut = true;
      return 'signedOut';
    }
    if (wasSignedOut) renewTokens(await answer.text());
    wasSignedOut = false;
    return '';
  } catch {
    return 'away';
  }
};

const sendIfAnswering = async (form, submitter) => {
  startWork();
  setBusy(form, submitter);
  const refusal = await findRefusal();
  endWork();
  setIdle(form);
  if (!form.isConnected) {
    toast('This part of the page changed before it could be sent. Nothing was sent; look again, and repeat it.', 'warning');
  } else if (refusal) {
    toast(REFUSALS[refusal], 'danger', refusal === 'signedOut' ? { label: 'Sign in', run: signInAndReturn } : null);
    submitter?.focus();
  } else {
    answering.add(form);
    form.requestSubmit(submitter);
  }
};

document.addEventListener('submit', (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || form.method === 'dialog') return;
  if (form.method === 'post' && !answering.delete(form)) {
    event.preventDefault();
    sendIfAnswering(form, submitter);
    return;
  }
  changedForms.delete(form);
  if (form.method !== 'post' || 'noBusy' in form.dataset) return;
  startWork();
  // Later, because the name and value of a disabled button are not sent.
  setTimeout(() => setBusy(form, submitter));
});

// A page restored from the browser's cache: nothing is being sent any more.
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  setIdle(document);
  working = 0;
  endWork();
});

// --- Live: elements with data-poll reload themselves while the page is visible

const POLL_LIMIT = 60;
const polls = new Map();

// A request by htmx replaces a part of the page: until its answer comes, no poll may replace the same part.
const asking = new Set();

const pollKey = (element) => element.id || element.dataset.poll;

const pollSeconds = (element) => Number(element.dataset.pollSeconds) || 5;

const ownsSelection = (element) => {
  const selection = getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(element, true);
};

// A swap must not disturb what the user does inside: typing, choosing, sending, reading an open menu, selecting text.
const isInUse = (element) => {
  const active = document.activeElement;
  if (active && element.contains(active) && active !== element && isTyping(active)) return true;
  return Boolean(ownsSelection(element) || element.querySelector('details.menu[open], dialog[open], [data-busy]'));
};

// While the server does not answer, a note says so, with the time of its last answer.
let lastAnswer = Date.now();
let isAway = false;

const setAway = (away) => {
  if (!away) lastAnswer = Date.now();
  if (away === isAway) return;
  isAway = away;
  if (!away) {
    document.getElementById('away')?.remove();
    toast('Trackside answers again.', 'success');
    return;
  }
  const element = document.getElementById('away-template').content.firstElementChild.cloneNode(true);
  const time = element.querySelector('time');
  time.dateTime = new Date(lastAnswer).toISOString();
  time.title = new Date(lastAnswer).toUTCString();
  element.querySelector('button').addEventListener('click', () => element.remove());
  refreshTimes(element);
  document.getElementById('toasts').append(element);
};

// Fetched here and swapped by htmx, so that leaving the page during a poll shows no error.
const poll = async (element) => {
  const state = polls.get(pollKey(element));
  const address = new URL(element.dataset.poll, location.href);
  if (element.dataset.version) address.searchParams.set('version', element.dataset.version);
  state.busy = true;
  let isAnswered = false;
  try {
    const answer = await fetch(address, { headers: { 'HX-Request': 'true' }, cache: 'no-store' });
    takeAnswer(element, state, answer, await answer.text());
    state.failures = answer.ok ? 0 : Math.min(state.failures + 1, 6);
    isAnswered = answer.status < 500;
  } catch {
    state.failures = Math.min(state.failures + 1, 6);
  }
  if (isAnswered) setAway(false);
  // A single failure may be chance, or a page just being left: retry soon, and show the note after that.
  else if (state.failures === 1) state.due = Date.now() + 2000;
  else setAway(true);
  state.busy = false;
};

const takeAnswer = (element, state, answer, html) => {
  if (isSignIn(answer.url)) {
    state.stopped = true;
    toast('You are signed out, so this page no longer updates itself.', 'warning', { label: 'Sign in', run: signInAndReturn });
    return;
  }
  const events = JSON.parse(answer.headers.get('HX-Trigger') ?? '{}');
  for (const [name, detail] of Object.entries(events)) document.dispatchEvent(new CustomEvent(name, { detail }));
  if (answer.status !== 200 || asking.size || !element.isConnected || isInUse(element)) return;
  const place = keepPlace(element);
  htmx.swap(element, html, { swapStyle: 'outerHTML' }, { eventInfo: { target: element, isPoll: true } });
  const successor = document.getElementById(element.id);
  if (successor) restorePlace(successor, place);
};

const tickPolls = () => {
  if (document.hidden || asking.size) return;
  const now = Date.now();
  for (const element of document.querySelectorAll('[data-poll]')) {
    const key = pollKey(element);
    if (!polls.has(key)) polls.set(key, { due: now + pollSeconds(element) * 1000, failures: 0, busy: false });
    const state = polls.get(key);
    if (state.busy || state.stopped || now < state.due || isInUse(element)) continue;
    // Some randomness keeps many tabs from polling at the same instant.
    const wait = Math.min(pollSeconds(element) * 2 ** state.failures, POLL_LIMIT) * (0.9 + Math.random() * 0.2);
    state.due = now + wait * 1000;
    poll(element);
  }
};

// The present choices, to be restored in the new content where they are still offered.
const choicesIn = (element) => [...element.querySelectorAll('select[id]')].map((select) => [select.id, select.value]);

const choose = (chosen) => {
  for (const [id, value] of chosen) {
    const select = document.getElementById(id);
    if (select && [...select.options].some((option) => option.value === value)) select.value = value;
  }
};

// What an element with focus is recognised by in the new content: its id, or what it leads to or says.
const FOCUSABLE = 'a, button, input, select, textarea, summary, [tabindex]';

const keyOf = (element) => {
  if (element.id) return `#${element.id}`;
  const says = element.getAttribute('href') ?? element.textContent.trim();
  return [element.localName, says, element.getAttribute('name'), element.getAttribute('value')].join(' ');
};

const likeIn = (root, key) => [...root.querySelectorAll(FOCUSABLE)].filter((element) => keyOf(element) === key);

const focusIn = (element) => {
  const active = document.activeElement;
  if (active === element || !element.contains(active)) return null;
  const key = keyOf(active);
  return { key, index: likeIn(element, key).indexOf(active) };
};

const keepPlace = (element) => ({
  ticked: [...element.querySelectorAll('input[type=checkbox]')]
    .filter((box) => box.checked !== box.defaultChecked)
    .map((box) => [box.name, box.value, box.checked]),
  scrolled: [...element.querySelectorAll('[id]')]
    .filter((inner) => inner.scrollTop || inner.scrollLeft)
    .map((inner) => [inner.id, inner.scrollTop, inner.scrollLeft]),
  chosen: choicesIn(element),
  opened: [...element.querySelectorAll('details[id]')].map((details) => [details.id, details.open]),
  focused: focusIn(element),
});

const restorePlace = (element, place) => {
  for (const [name, value, checked] of place.ticked) {
    const box = [...element.querySelectorAll('input[type=checkbox]')].find((b) => b.name === name && b.value === value);
    if (box) box.checked = checked;
  }
  choose(place.chosen);
  for (const [id, open] of place.opened) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
  for (const [id, top, left] of place.scrolled) document.getElementById(id)?.scrollTo(left, top);
  if (place.focused) {
    const alike = likeIn(element, place.focused.key);
    (alike[place.focused.index] ?? alike[0])?.focus({ preventScroll: true });
  }
  for (const table of element.querySelectorAll('table')) countTicked(table);
};

// "New runner" leads to the account that the list is filtered by.
const followFilter = () => {
  const link = document.getElementById('runner-new');
  const list = document.querySelector('[data-new-in]');
  if (link && list) link.search = list.dataset.newIn && `?account=${list.dataset.newIn}`;
};

// The number of matches of a list, announced after its filter changed.
const announce = (root) => {
  const text = root.querySelector('[data-announce]')?.textContent;
  if (text) say(text);
};

document.addEventListener('htmx:beforeRequest', (event) => {
  startWork();
  const { elt, requestConfig, xhr } = event.detail;
  asking.add(xhr);
  if (elt.matches('form')) {
    changedForms.delete(elt);
    setBusy(elt, requestConfig?.triggeringEvent?.submitter);
  }
});

document.addEventListener('change', ({ target }) => {
  const filters = target.closest('.filters');
  if (!filters) return;
  const counter = filters.querySelector('[data-filters]');
  counter.textContent = [...filters.querySelectorAll('.input')].filter(({ value }) => value).length;
  counter.hidden = counter.textContent === '0';
});

// Typing goes on in one entry of the history: only the first letter makes a new one.
let typedPath = null;

document.addEventListener('focusin', () => (typedPath = null));

document.addEventListener('htmx:beforeHistoryUpdate', ({ detail }) => {
  if (!detail.elt.matches('form[role=search]')) return;
  if (typedPath === location.pathname + location.search) detail.history.type = 'replace';
  typedPath = detail.history.path;
});

// The menus beside a search box are about what is in it now, not when the page was loaded.
document.addEventListener('htmx:configRequest', ({ detail }) => {
  if (!detail.elt.matches('.filter-bar .menu-panel')) return;
  const now = new URLSearchParams(location.search);
  const menu = new URL(detail.path, location.href).searchParams.get('menu');
  for (const name of ['version', 'after', 'before', 'open']) now.delete(name);
  if (menu) now.set('menu', menu);
  detail.path = `${detail.path.split('?')[0]}?${now}`;
});

// Empty filters do not belong in the URL.
document.addEventListener('htmx:configRequest', ({ detail: { elt, parameters } }) => {
  if (!elt.matches('form[role=search]')) return;
  for (const name of Object.keys(parameters)) if (!parameters[name]) delete parameters[name];
});

document.addEventListener('htmx:afterRequest', (event) => {
  const { elt, xhr, successful } = event.detail;
  asking.delete(xhr);
  endWork();
  setIdle(elt.isConnected ? elt : document);
  if (successful || xhr.status === 422) return;
  if (!xhr.status) toast('Trackside could not be reached. Nothing was changed.', 'danger');
  else toast(`That did not work: the server answered ${xhr.status}.`, 'danger');
});

// Choices made while a request was running are restored in the new content.
const choices = new WeakMap();

document.addEventListener('htmx:beforeSwap', (event) => {
  const { target, xhr } = event.detail;
  if (isSignIn(xhr.responseURL)) {
    event.detail.shouldSwap = false;
    signInAndReturn();
  }
  if (event.detail.shouldSwap && 'keepsChoices' in target.dataset) choices.set(target, choicesIn(target));
});

document.addEventListener('htmx:afterSwap', (event) => {
  // After an outer swap the target is gone; its successor has the same id. A restored page has no target.
  const target = event.detail.target ?? document.body;
  choose(choices.get(target) ?? []);
  choices.delete(target);
  const successor = target.isConnected ? target : document.getElementById(target.id);
  if (successor && !event.detail.isPoll) announce(successor);
  refreshTimes(successor ?? document);
  followFilter();
  showChanges();
});

// Events that the server sends in an HX-Trigger header.
document.addEventListener('toast', ({ detail }) => toast(detail.message ?? detail.value, detail.level));

const showFreshness = (line, { at, failing, reason, budget }) => {
  const shown = { fine: !failing, failing, never: !at, synced: at, reason, budget, low: budget?.is_low };
  const parts = Object.fromEntries([...line.querySelectorAll('[data-part]')].map((part) => [part.dataset.part, part]));
  for (const [name, part] of Object.entries(parts)) part.hidden = !shown[name];
  line.classList.toggle('freshness-failing', failing);
  if (parts.reason) parts.reason.textContent = reason;
  if (at) {
    const time = parts.synced.querySelector('time');
    time.dateTime = at;
    time.title = new Date(at).toUTCString();
    delete time.dataset.local;
  }
  if (budget) {
    const link = parts.budget.querySelector('a');
    Object.assign(link, { href: budget.address, title: budget.note, textContent: budget.words });
  }
};

document.addEventListener('freshness', ({ detail }) => {
  for (const line of document.querySelectorAll('[data-freshness]')) showFreshness(line, detail);
  refreshTimes();
});

// --- Start

const start = () => {
  for (const choice of document.querySelectorAll('[data-themes] input')) {
    choice.checked = choice.value === (document.documentElement.dataset.theme ?? '');
  }
  const singleKeys = document.getElementById('single-keys');
  if (singleKeys) singleKeys.checked = storage.get('single-keys') !== 'off';
  refreshTimes();
  for (const table of document.querySelectorAll('table:has(.tick)')) countTicked(table);
  showChanges();
  restoreForms();
};

start();
document.addEventListener('htmx:historyRestore', start);
setInterval(() => refreshTimes(), 30000);
setInterval(tickPolls, 500);
addEventListener('online', () => {
  for (const state of polls.values()) state.due = 0;
  tickPolls();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  refreshTimes();
  tickPolls();
});
