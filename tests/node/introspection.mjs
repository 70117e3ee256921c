// Usage: node introspection.mjs URL
//
// Requests the schema from the GraphQL endpoint at URL as tools do (GraphiQL, Apollo, Relay and
// code generators use the query of the package graphql). Does so with all options, with none and
// with the defaults, and builds a schema from each answer.

import { buildClientSchema, getIntrospectionQuery, printSchema } from 'graphql';

const ALL = {
  descriptions: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
  oneOf: true,
};
const NONE = Object.fromEntries(Object.keys(ALL).map((option) => [option, false]));

const [url] = process.argv.slice(2);
for (const [name, options] of Object.entries({ all: ALL, none: NONE, defaults: {} })) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: getIntrospectionQuery(options), operationName: 'IntrospectionQuery' }),
  });
  const { data, errors } = await response.json();
  if (errors || response.status !== 200) {
    console.error(`${name}: HTTP ${response.status} ${JSON.stringify(errors)}`);
    process.exit(1);
  }
  const text = printSchema(buildClientSchema(data));
  console.log(`${name}: ${text.includes('type Mutation') ? 'a schema' : 'no schema'} of ${text.length} characters`);
}
