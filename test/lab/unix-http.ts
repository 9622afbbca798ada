/**
 * Owns plain HTTP requests over a Unix socket. Runs on the main thread of a test process; bounded in time.
 */

import { request } from 'node:http';

const TIMEOUT_MS = 5_000;

/** Gets a path. @returns the body. @throws Error when there is no answer or it is not 200 */
export function getOverSocket(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: TIMEOUT_MS, agent: false }, (response) => {
      const chunks: string[] = [];
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = chunks.join('');
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`${path}: ${response.statusCode} ${body}`));
      });
    });
    asked.on('timeout', () => asked.destroy(new Error(`${path}: no answer within ${TIMEOUT_MS} ms`)));
    asked.on('error', reject);
    asked.end();
  });
}
