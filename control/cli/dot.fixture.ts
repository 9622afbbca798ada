/**
 * Reads the DOT language, as far as an undirected graph without subgraphs goes; throws where Graphviz would refuse.
 *
 *   graph ID { [statement [;]]… }      statement: (graph │ node │ edge │ ID [-- ID]…) [ "[" name=value [, …] "]" ]
 *
 * @see https://graphviz.org/doc/info/lang.html
 */

/** A node or an edge, with its attributes. */
export interface DotStatement {
  /** One ID for a node, two for an edge. */
  readonly ids: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
}

const TOKEN = /\s*("(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w]*|-?(?:\.\d+|\d+(?:\.\d*)?)|--|[{}[\];,=])/y;

/** Reads a graph. */
export function parseDot(text: string): readonly DotStatement[] {
  const tokens = tokenize(text);
  const take = (wanted?: string): string => {
    const token = tokens.shift();
    if (token === undefined || (wanted !== undefined && token !== wanted)) {
      throw new Error(`expected ${wanted ?? 'more'}, got ${token ?? 'the end'}`);
    }
    return token;
  };
  take('graph');
  takeId(take);
  take('{');
  const statements: DotStatement[] = [];
  while (tokens[0] !== '}') {
    statements.push(takeStatement(tokens, take));
    if (tokens[0] === ';') take(';');
  }
  take('}');
  if (tokens.length > 0) throw new Error(`after the graph: ${tokens.join(' ')}`);
  return statements;
}

function takeStatement(tokens: readonly string[], take: (wanted?: string) => string): DotStatement {
  const ids = [takeId(take)];
  while (tokens[0] === '--') {
    take('--');
    ids.push(takeId(take));
  }
  const attributes: Record<string, string> = {};
  if (tokens.at(0) === '[') {
    take('[');
    while (tokens.at(0) !== ']') {
      const name = takeId(take);
      take('=');
      attributes[name] = takeId(take);
      if ([',', ';'].includes(tokens.at(0) ?? '')) take();
    }
    take(']');
  }
  return { ids, attributes };
}

function takeId(take: () => string): string {
  const token = take();
  if (token.startsWith('"')) return token.slice(1, -1).replaceAll('\\"', '"');
  if (!/^[\w.-]+$/.test(token) || token === '--') throw new Error(`${token} is no ID`);
  return token;
}

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) throw new Error(`no token at '${text.slice(at, at + 40)}'`);
    tokens.push(token);
  }
  return tokens;
}
