/**
 * Lint: typescript-eslint's strict, type-checked rules, TSDoc's syntax, and the rules of CONTRIBUTING.md that a
 * tool can see. Formatting is Biome's.
 */
import tsdoc from 'eslint-plugin-tsdoc';
import tseslint from 'typescript-eslint';

const TESTS = ['**/*.test.ts', '**/*.fixture.ts', '**/*-fixture.ts', 'test/**/*.ts'];

/** Runs on virtual time, from a seed: time and chance come in as arguments. */
const PURE = [
  'dataplane/{base,contract,shm,wire,pipeline}/**/*.ts',
  'control/{token,trunk,membership,multicast,echo,trace,capture}/**/*.ts',
];
const PURE_EXCEPTIONS = [
  '**/*-driver.ts',
  '**/node-ports.ts',
  '**/generate*.ts',
  // Threads of the task pool: files, and lifetimes of key packages.
  'control/membership/group/mls/**/*.ts',
];

const IMPURE_GLOBALS = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'fetch',
];
const IMPURE_PROPERTIES = [
  ['Date', 'now'],
  ['Math', 'random'],
  ['process', 'hrtime'],
  ['crypto', 'getRandomValues'],
];

/**
 * TSDoc's syntax, but for what only matters to HTML: file heads are drawings, and prose here holds braces and arrows.
 */
const PROSE_MESSAGES =
  /^tsdoc-(malformed-inline-tag|escape-(right-brace|greater-than)|malformed-html|html-tag|code-)/;
const tsdocSyntax = {
  meta: tsdoc.rules.syntax.meta,
  create(context) {
    const report = (problem) => {
      if (!PROSE_MESSAGES.test(problem.messageId)) context.report(problem);
    };
    return tsdoc.rules.syntax.create(Object.create(context, { report: { value: report } }));
  },
};

const NO_DEFAULT_EXPORT = {
  selector: 'ExportDefaultDeclaration',
  message: 'Name what you export; a default export gets a new name at each import.',
};

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'node_modules/',
      'rust-accel/',
      '.scratch/',
      'bench/results/',
      'control/trunk/messages/*-codec.ts',
    ],
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { peertap: { rules: { tsdoc: tsdocSyntax } } },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'peertap/tsdoc': 'error',
      'no-restricted-syntax': ['error', NO_DEFAULT_EXPORT],
      'max-params': 'off',
      '@typescript-eslint/max-params': ['error', { max: 5 }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      eqeqeq: 'error',
      'no-param-reassign': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'typeLike', format: ['PascalCase'] },
        { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z][a-z]', match: false } },
      ],
      // Numbers read well in messages; everything else has to be said how.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `while (true)` and `for (;;)` loops say when they end in their body.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
    },
  },
  {
    // An index that the layout bounds needs no check on the frame path.
    files: ['dataplane/**/*.ts', 'control/dataplane-link/**/*.ts', ...TESTS],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: PURE,
    ignores: [...PURE_EXCEPTIONS, ...TESTS],
    rules: {
      'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
      'no-restricted-properties': [
        'error',
        ...IMPURE_PROPERTIES.map(([object, property]) => ({ object, property })),
      ],
    },
  },
  {
    files: TESTS,
    rules: {
      // node:test keeps the promises of its own calls.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              package: 'node:test',
              name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'],
            },
          ],
        },
      ],
      'max-lines-per-function': 'off',
      // A fake of a port may have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
    },
  },
);
