/**
 * Reads the project's Markdown as far as its checks need: links, anchors, names of files in code spans.
 *
 * Main thread of a test process; reads files below the project's root only.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root, with a slash at its end. */
export const PROJECT_ROOT = fileURLToPath(new URL('../../', import.meta.url));

const CODE_ROOTS = ['control', 'dataplane', 'rust-accel', 'test', 'bench', 'docs'];

/** One page. */
export interface Page {
  /** From the project's root. */
  readonly path: string;
  readonly text: string;
}

/** The pages at the root and all below docs/. */
export function loadPages(): readonly Page[] {
  const atRoot = readdirSync(PROJECT_ROOT).filter((name) => name.endsWith('.md'));
  const inDocs = readdirSync(join(PROJECT_ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name));
  return [...atRoot, ...inDocs].map(loadPage);
}

/** One page by its path from the root. */
export function loadPage(path: string): Page {
  return { path, text: readFileSync(join(PROJECT_ROOT, path), 'utf8') };
}

/** Links to files and headings of the project which lead nowhere. */
export function brokenLinks(page: Page): readonly string[] {
  const targets = [...withoutCode(page.text).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return targets.filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(page, target));
}

/** Files and folders named in code spans which do not exist. */
export function missingFiles(page: Page): readonly string[] {
  const spans = [...page.text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
  const paths = spans.filter(
    (span) => /^[\w.-]+\/[\w./-]*$/.test(span) && CODE_ROOTS.includes(span.split('/')[0] ?? ''),
  );
  return paths.filter((path) => !existsSync(join(PROJECT_ROOT, path)));
}

function leadsSomewhere(page: Page, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? page.path : relative(PROJECT_ROOT, join(PROJECT_ROOT, dirname(page.path), file));
  if (!existsSync(join(PROJECT_ROOT, path))) return false;
  return anchor === undefined || headingAnchors(loadPage(path)).includes(anchor);
}

/** As GitHub makes them: lower case, punctuation gone, blanks to hyphens. */
function headingAnchors(page: Page): readonly string[] {
  return [...withoutCode(page.text).matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '');
}
