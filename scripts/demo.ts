// `npm run demo`: two hosts, the gateway between them, and what a user would see. On real TUN devices
// in network namespaces where the machine allows it, else on devices in memory.

import { showInMemory } from './demo/in-memory.js';
import { note } from './demo/narrator.js';
import { showOnDevices } from './demo/on-devices.js';
import { whyNoDevices } from './demo/probe.js';

const reason = await whyNoDevices();
if (reason === undefined) {
  await showOnDevices();
} else {
  note(`No real TUN devices here: ${reason}.`);
  note('The same gateway runs on devices in memory instead, with packets made by hand.');
  await showInMemory();
}
note('\nDone: everything was removed again.');
