// The example function in Node.js, without packages.
import http from 'node:http';
import net from 'node:net';
import { randomBytes } from 'node:crypto';

const patience = 2000; // ms, for each server
const instance = randomBytes(4).toString('hex'); // made once per environment, outside the handler
let invocation = 0;

export async function handler(event) {
  const answer = { runtime: 'nodejs', instance, invocation: ++invocation };
  const redis = event.redis || process.env.REDIS_ADDR;
  if (redis) answer.tenant = await within(`redis ${redis}`, 'RedisError', get(redis, event.key || 'tenant'));
  const url = event.whoami || process.env.WHOAMI_URL;
  if (url) answer.whoami = await within(`whoami ${url}`, 'WhoamiError', whoami(url));
  return answer;
}

// within ends an attempt after the patience and says of every failure whom it concerns.
async function within(who, name, { socket, result }) {
  const timer = setTimeout(() => socket.destroy(new Error('timed out')), patience);
  try {
    return await result;
  } catch (e) {
    throw Object.assign(new Error(`${who}: ${e.message}`), { name });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

// get asks Redis in its own protocol, RESP: an array of strings goes out, "$<length>\r\n<value>\r\n" comes back.
function get(addr, key) {
  const colon = addr.lastIndexOf(':');
  const socket = net.connect({ host: addr.slice(0, colon), port: Number(addr.slice(colon + 1)) });
  const result = new Promise((resolve, reject) => {
    let reply = Buffer.alloc(0);
    socket.on('error', reject).on('end', () => reject(new Error('connection closed')));
    socket.on('data', (chunk) => {
      reply = Buffer.concat([reply, chunk]);
      const end = reply.indexOf('\r\n');
      if (end < 0) return;
      const head = reply.toString('utf8', 0, end);
      if (head === '$-1') reject(new Error(`GET ${key}: no such key`));
      else if (head[0] !== '$') reject(new Error(`GET ${key}: ${head.slice(1)}`));
      const size = Number(head.slice(1));
      if (reply.length >= end + 2 + size + 2) resolve(reply.toString('utf8', end + 2, end + 2 + size));
    });
    socket.write(`*2\r\n$3\r\nGET\r\n$${Buffer.byteLength(key)}\r\n${key}\r\n`);
  });
  return { socket, result };
}

function whoami(url) {
  const socket = http.get(url, { agent: false }); // a new connection each time, so a new source port
  const result = new Promise((resolve, reject) => {
    socket.on('error', reject).on('response', async (response) => {
      try {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve(JSON.parse(body).client);
      } catch (e) {
        reject(e);
      }
    });
  });
  return { socket, result };
}
