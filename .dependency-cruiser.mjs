/**
 * Import directions, as docs/architecture.md draws them. Each rule says what it keeps apart and why;
 * test/style/import-rules.test.ts proves that each of them fires.
 */

const TEST = '(\\.(test|fixture)|-fixture)\\.ts$';

/** Sans-I/O: no system, no clock, no timers; they run on virtual time and in both engines' tests. */
const PURE_DATAPLANE = '^dataplane/(base|contract|shm|wire|pipeline)/';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle hides which of two modules owns what.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolved',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'dataplane-not-to-control',
      comment: 'Workers know nothing of the daemon; they meet in shared memory.',
      severity: 'error',
      from: { path: '^dataplane/' },
      to: { path: '^control/' },
    },
    {
      name: 'control-to-dataplane-surface',
      comment:
        'Control sees the data plane through base, contract, shm and wire; dataplane-link is the door to the rest.',
      severity: 'error',
      from: { path: '^control/', pathNot: ['^control/dataplane-link/', TEST] },
      to: { path: '^dataplane/', pathNot: '^dataplane/(base|contract|shm|wire)/' },
    },
    {
      name: 'link-to-dataplane-doors',
      comment:
        'dataplane-link sets up descriptors (io), starts and keeps workers (supervisor) and asks for the addon (native/load).',
      severity: 'error',
      from: { path: '^control/dataplane-link/', pathNot: TEST },
      to: {
        path: '^dataplane/',
        pathNot: '^dataplane/((base|contract|shm|wire|io)/|workers/supervisor\\.ts$|native/load\\.ts$)',
      },
    },
    {
      name: 'base-stands-alone',
      comment: 'base is what everything else may import.',
      severity: 'error',
      from: { path: '^dataplane/base/', pathNot: TEST },
      to: { path: '^dataplane/', pathNot: '^dataplane/base/' },
    },
    {
      name: 'contract-and-wire-to-base',
      comment: 'Interfaces and packet formats do not depend on how memory is laid out.',
      severity: 'error',
      from: { path: '^dataplane/(contract|wire)/', pathNot: TEST },
      to: { path: '^dataplane/', pathNot: '^dataplane/(base|contract|wire)/' },
    },
    {
      name: 'shm-to-base-and-contract',
      comment: 'Shared memory knows its layout, not its users.',
      severity: 'error',
      from: { path: '^dataplane/shm/', pathNot: TEST },
      to: { path: '^dataplane/', pathNot: '^dataplane/(base|contract|shm)/' },
    },
    {
      name: 'pipeline-to-shm-wire-base',
      comment: 'Stages are given their ciphers and descriptors; they take only the types of crypto.',
      severity: 'error',
      from: { path: '^dataplane/pipeline/', pathNot: TEST },
      to: { path: '^dataplane/', pathNot: '^dataplane/(base|contract|shm|wire|pipeline|crypto)/' },
    },
    {
      name: 'pipeline-takes-types-of-crypto',
      comment: 'Stages are given their ciphers.',
      severity: 'error',
      from: { path: '^dataplane/pipeline/', pathNot: TEST },
      to: { path: '^dataplane/crypto/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'io-crypto-native-to-shm-wire-base',
      comment: 'Each of the three stands alone over shared memory.',
      severity: 'error',
      from: { path: '^dataplane/(io|crypto|native)/', pathNot: TEST },
      to: {
        path: '^dataplane/',
        pathNot: ['^dataplane/(base|contract|shm|wire)/', '^dataplane/$1/'],
      },
    },
    {
      name: 'pure-without-system',
      comment:
        'No node:*, no clock, no timers in what must run on virtual time. The layout generator is a tool.',
      severity: 'error',
      from: { path: PURE_DATAPLANE, pathNot: [TEST, '^dataplane/shm/generate-layout\\.ts$'] },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'sans-io-control-without-system',
      comment:
        'Control protocols run on virtual time: no node:* but crypto, which answers the same for the same input.',
      severity: 'error',
      from: {
        path: '^control/(trunk|membership|token|exchange|admission|discovery|multicast|echo|trace|capture)/',
        pathNot: [
          TEST,
          '-driver\\.ts$',
          '/node-ports\\.ts$',
          '/generate[a-z-]*\\.ts$',
          // The group is what the order machine's port stands for: a task pool and files.
          '^control/membership/group/mls/',
        ],
      },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'one-importer-of-libp2p',
      comment: 'libp2p is a carrier among others; only control/network knows its types.',
      severity: 'error',
      from: { path: '^(control|dataplane|bench)/', pathNot: ['^control/network/', TEST] },
      to: { path: '(^|/)node_modules/(libp2p|@libp2p|@chainsafe|@multiformats)/' },
    },
    {
      name: 'production-not-to-tests',
      comment: 'Nothing that is published may need what is not.',
      severity: 'error',
      from: { path: '^(control|dataplane)/', pathNot: TEST },
      to: { path: ['^(bench|test)/', TEST] },
    },
    {
      name: 'production-needs-dependencies',
      comment: 'What is published may need only what is installed with it.',
      severity: 'error',
      from: { path: '^(control|dataplane)/', pathNot: [TEST, '/generate[a-z-]*\\.ts$', '^control/bin/'] },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.scratch|rust-accel/target)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
