// A real Chromium, driven through its own debugging pipe: node browser.mjs CHROMIUM FOLDER. Takes one command a line as
// JSON (`{"open": url}`, `{"fill": [selector, text]}`, `{"click": selector}`, `{"run": expression}`, `{"go": script}`, `{"cookies": true}`,
// `{"shot": [file, width, height, dark]}`), gives one line for each, and ends when its input does. Waits for pages, never for time.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { writeFileSync } from 'node:fs';

const [chromium, folder] = process.argv.slice(2);
const child = spawn(chromium, [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars', '--no-proxy-server',
  `--user-data-dir=${folder}`, '--remote-debugging-pipe', 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const [, , , out, into] = child.stdio;

let last = 0;
const waiting = new Map();
const heard = new Set();
let rest = Buffer.alloc(0);
into.on('data', (more) => {
  rest = Buffer.concat([rest, more]);
  for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) {
    const message = JSON.parse(rest.subarray(0, end).toString());
    if (message.id) { waiting.get(message.id)?.(message); waiting.delete(message.id); } else { for (const hear of heard) hear(message); }
  }
});
let session;
const ask = (method, params = {}) => new Promise((resolve, reject) => {
  const id = ++last;
  waiting.set(id, (message) => (message.error ? reject(new Error(`${method}: ${message.error.message}`)) : resolve(message.result)));
  out.write(`${JSON.stringify({ id, method, params, ...(session && { sessionId: session }) })}\0`);
});

const { targetInfos } = await ask('Target.getTargets');
const { targetId } = targetInfos.find((target) => target.type === 'page');
({ sessionId: session } = await ask('Target.attachToTarget', { targetId, flatten: true }));
await ask('Page.enable');
await ask('Runtime.enable');
await ask('Network.enable');

const run = async (expression) => {
  const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
};
// Until the page that this leads to has come, with what it leads on to by itself.
const settle = async (begin) => {
  let moving;
  const moved = new Promise((resolve) => {
    const hear = ({ method }) => {
      if (method === 'Page.frameStartedLoading' || method === 'Page.frameScheduledNavigation') moving = undefined;
      if (method === 'Page.loadEventFired') {
        moving = run('document.querySelector("meta[http-equiv=refresh]") === null').then((still) => { if (still) { heard.delete(hear); resolve(); } }, () => {});
      }
    };
    heard.add(hear);
  });
  await begin();
  await moved;
  return { url: await run('location.href'), text: await run('document.body.innerText'), title: await run('document.title') };
};
const find = (selector) => `document.querySelector(${JSON.stringify(selector)})`;

const commands = {
  open: (url) => settle(() => ask('Page.navigate', { url })),
  fill: ([selector, text]) => run(`${find(selector)}.value = ${JSON.stringify(text)}; true`),
  go: (script) => settle(() => run(`${script}; true`)),
  click: (selector) => settle(() => run(`${find(selector)}.click(); true`)),
  run,
  cookies: async () => (await ask('Network.getAllCookies')).cookies,
  shot: async ([file, width, height, dark]) => {
    await ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    await ask('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
    writeFileSync(file, Buffer.from((await ask('Page.captureScreenshot')).data, 'base64'));
    return { wide: await run('document.documentElement.scrollWidth'), width };
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const [[command, value]] = Object.entries(JSON.parse(line));
  const answer = await commands[command](value).then((good) => ({ good }), (error) => ({ error: String(error.message) }));
  console.log(JSON.stringify(answer));
}
child.kill('SIGKILL');
process.exit(0);
