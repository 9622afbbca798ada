/**
 * Reads the config file: JSON with comments and trailing commas.
 *
 * file → text → document and the place of each value → `parseConfig` → problems get their line
 *
 * Runs on the main thread and in the command. Must never fall back to defaults for a file that exists.
 */
import { readFile } from 'node:fs/promises';
import {
  findNodeAtLocation,
  getNodeValue,
  type Node as JsonNode,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { type Config, formatPath, parseConfig } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';

/** A config of more is a mistake: 256 VLANs take some 50 KiB. */
const MAX_CONFIG_BYTES = 1_048_576;
/** A config has 4. */
const MAX_NESTING = 64;

/**
 * Reads and checks a config file.
 *
 * @param path - of the file
 * @returns the config with all defaults filled in
 * @throws ConfigError: `unreadable`, `syntax` with line and column, or `invalid` with paths
 */
export async function loadConfig(path: string): Promise<Config> {
  const text = await readConfigFile(path);
  try {
    return parseConfigText(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.code, error.problems, { file: path });
  }
}

/**
 * Checks the text of a config file.
 *
 * @throws ConfigError: `syntax` with line and column, or `invalid` with paths and lines
 */
export function parseConfigText(text: string): Config {
  const root = parseDocument(text);
  try {
    return parseConfig(getNodeValue(root));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(
      error.code,
      error.problems.map((problem) => withLine(problem, root, text)),
    );
  }
}

async function readConfigFile(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new ConfigError('unreadable', [{ path: '', message: readFailure(path, error) }], { cause: error });
  }
  if (bytes.length > MAX_CONFIG_BYTES) {
    const message = `${path}: expected at most ${MAX_CONFIG_BYTES} bytes, got ${bytes.length}; is it a config?`;
    throw new ConfigError('unreadable', [{ path: '', message }]);
  }
  return new TextDecoder().decode(bytes);
}

function readFailure(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT')
    return `${path} does not exist; \`peertap init --config ${path}\` writes one to start with`;
  if (code === 'EACCES')
    return `no permission to read ${path}; run as root, or make it readable for this user`;
  if (code === 'EISDIR') return `${path} is a directory, not a config file`;
  return `cannot read ${path}: ${reasonOf(error)}`;
}

function parseDocument(text: string): JsonNode {
  const errors: ParseError[] = [];
  if (isNestedTooDeeply(text)) {
    const message = `braces and brackets are nested more than ${MAX_NESTING} deep; is this a config?`;
    throw new ConfigError('syntax', [{ path: '', message }]);
  }
  const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  const problems = errors.slice(0, 1).map((error) => syntaxProblem(error, text));
  if (problems.length > 0) throw new ConfigError('syntax', problems);
  if (root === undefined) {
    throw new ConfigError('syntax', [{ path: '', message: 'the file is empty; at least {} is needed' }]);
  }
  const repeated = repeatedKeys(root, [], text);
  if (repeated.length > 0) throw new ConfigError('syntax', repeated);
  return root;
}

/** The parser recurses, so depth is bounded before it runs; counting those in comments and strings too does no harm. */
function isNestedTooDeeply(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    if (depth > MAX_NESTING) return true;
  }
  return false;
}

/** jsonc-parser reports what it missed at the token after it; the place is good enough to find it. */
function syntaxProblem(error: ParseError, text: string): ConfigProblem {
  const before = text.slice(0, error.offset);
  const column = error.offset - (before.lastIndexOf('\n') + 1) + 1;
  const what = printParseErrorCode(error.error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
  const near = text.slice(error.offset, error.offset + 20).split('\n')[0] ?? '';
  const found = near === '' ? 'the end of the line or file' : `'${near}'`;
  return { path: `line ${lineAt(text, error.offset)}:${column}`, message: `${what} at ${found}` };
}

/** JSON lets the last of two equal keys win in silence; here it is an error. */
function repeatedKeys(node: JsonNode, steps: readonly (string | number)[], text: string): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const seen = new Set<string>();
  for (const [index, child] of (node.children ?? []).entries()) {
    if (node.type !== 'object') {
      problems.push(...repeatedKeys(child, [...steps, index], text));
      continue;
    }
    const [name, value] = child.children ?? [];
    const key = String(name?.value);
    if (seen.has(key)) {
      problems.push({
        path: formatPath([...steps, key]),
        message: 'is given twice',
        line: lineAt(text, child.offset),
      });
    }
    seen.add(key);
    if (value !== undefined) problems.push(...repeatedKeys(value, [...steps, key], text));
  }
  return problems;
}

function withLine(problem: ConfigProblem, root: JsonNode, text: string): ConfigProblem {
  const steps = problem.path
    .split(/[.[\]]/)
    .filter((step) => step !== '')
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  const node = findNodeAtLocation(root, steps);
  return node === undefined ? problem : { ...problem, line: lineAt(text, node.offset) };
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
