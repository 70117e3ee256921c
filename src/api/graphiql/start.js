// Starts GraphiQL on the page's own address, with ready-made tabs: as many as can be read side by side.
//
// The page remembers the newest tokens it has seen, in memory only, and sends them wherever a request still holds
// a placeholder. So "register, then me" needs no copying, and tokens stay out of the browser's storage, where GraphiQL
// keeps the variables that are typed in.

const ACCESS_TOKEN_PLACEHOLDER = 'paste-the-accessToken-here';
const REFRESH_TOKEN_PLACEHOLDER = 'paste-the-refreshToken-here';

/** Begins each of GraphiQL's keys in the browser's storage. */
const PREFIX = 'graphiql:';

const BEARER_HEADER = `{ "Authorization": "Bearer ${ACCESS_TOKEN_PLACEHOLDER}" }`;

// Sized so that each tab fits into a window of 1280 by 800 pixels: at most 50 columns, 20 lines, 6 lines of variables.
const TABS = [
  {
    query: `# Creates an account and signs it in.
# Run it with the play button, or Ctrl-Enter.
# Email and username must both be new: edit the
# variables below to create another account.

mutation register($input: RegisterInput!) {
  register(input: $input) {
    token {
      accessToken
      refreshToken
      expiresIn
    }
    user {
      uuid
      email
      username
      profileImageUrl
    }
  }
}`,
    variables: `{ "input": {
  "email": "john.doe@example.com",
  "password": "Password@123",
  "username": "johndoe"
} }`,
  },
  {
    query: `# Signs in to an account that exists.
# The variables below may give "username"
# in place of "email".

mutation login($input: LoginInput!) {
  login(input: $input) {
    token {
      accessToken
      refreshToken
      expiresIn
    }
    user {
      uuid
      email
      username
      profileImageUrl
    }
  }
}`,
    variables: `{ "input": {
  "email": "john.doe@example.com",
  "password": "Password@123"
} }`,
  },
  {
    query: `# Shows whose access token this is. Just run it
# after register or login: the page sends the
# newest access token that it has received, for
# as long as the placeholder stands in "Headers"
# below. Put another token there to use that one.

query me {
  me {
    uuid
    email
    username
    profileImageUrl
  }
}`,
    headers: BEARER_HEADER,
  },
  {
    query: `# Trades a refresh token for a new pair of tokens.
# The page sends the newest refresh token that it
# has received, for as long as the placeholder
# stands in the variables below.

mutation refreshToken($refreshToken: String) {
  refreshToken(refreshToken: $refreshToken) {
    token {
      accessToken
      refreshToken
      expiresIn
    }
    user {
      username
    }
  }
}`,
    variables: `{ "refreshToken": "${REFRESH_TOKEN_PLACEHOLDER}" }`,
  },
  {
    query: `# Signs out. CURRENT ends the session that the
# access token in "Headers" belongs to, OTHERS all
# but that one, ALL every one of the account. The
# placeholder in "Headers" works just as for me.

mutation logout($scope: LogoutScope! = CURRENT) {
  logout(scope: $scope)
}`,
    variables: '{ "scope": "CURRENT" }',
    headers: BEARER_HEADER,
  },
  {
    query: `# Waits until the session that the access token in
# "Headers" belongs to has ended, and says why. Run
# it, then sign out in another window, or with
# logout in another tab of this one: GraphiQL goes
# on waiting here meanwhile.

subscription sessionEnded {
  sessionEnded {
    sessionId
    reason
    endedAt
  }
}`,
    headers: BEARER_HEADER,
  },
].map((tab) => ({ variables: '', headers: '', ...tab }));

/** The newest tokens seen since the page was loaded. */
const newest = { accessToken: undefined, refreshToken: undefined };

function remember(result) {
  for (const field of Object.values(result?.data ?? {})) {
    newest.accessToken = field?.token?.accessToken ?? newest.accessToken;
    newest.refreshToken = field?.token?.refreshToken ?? newest.refreshToken;
  }
}

function fillHeaders(headers = {}) {
  const filled = { ...headers };
  for (const [name, value] of Object.entries(headers)) {
    if (!String(value).includes(ACCESS_TOKEN_PLACEHOLDER)) continue;
    if (newest.accessToken) {
      filled[name] = value.replace(ACCESS_TOKEN_PLACEHOLDER, newest.accessToken);
    } else {
      // "No token" is a truer message than "a malformed token" to someone who has not signed in yet.
      delete filled[name];
    }
  }
  return filled;
}

function fillVariables(variables) {
  if (variables?.refreshToken !== REFRESH_TOKEN_PLACEHOLDER || !newest.refreshToken) return variables;
  return { ...variables, refreshToken: newest.refreshToken };
}

function createFetcher() {
  const send = GraphiQL.createFetcher({
    url: location.pathname,
    // Subscriptions go over a WebSocket, with the headers as its connection parameters: a page can send no others there.
    subscriptionUrl: `${location.origin.replace(/^http/, 'ws')}${location.pathname}`,
    // The gateway answers in one piece; this also keeps "multipart/mixed" out of the Accept header.
    enableIncrementalDelivery: false,
    headers: { accept: 'application/graphql-response+json, application/json;q=0.9' },
  });
  return async (params, options) => {
    const filled = { ...params, variables: fillVariables(params.variables) };
    const result = await send(filled, { ...options, headers: fillHeaders(options?.headers) });
    remember(result);
    return result;
  };
}

/** The browser's storage, or `null` where the visitor has turned it off: merely naming it throws there. */
function findStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** A storage for GraphiQL that leaves the headers out of its history, which ignores `shouldPersistHeaders`. */
function withoutHeaders(storage) {
  const withHistory = [`${PREFIX}queries`, `${PREFIX}favorites`];
  const withoutField = (name, value) => (name === 'headers' ? undefined : value);
  const stripped = (json) => JSON.stringify(JSON.parse(json), withoutField);
  return {
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => storage.setItem(key, withHistory.includes(key) ? stripped(value) : value),
    removeItem: (key) => storage.removeItem(key),
    clear: () => {
      for (const key of Object.keys(storage)) {
        if (key.startsWith(PREFIX)) storage.removeItem(key);
      }
    },
    get length() {
      return storage.length;
    },
  };
}

function start(container) {
  const storage = findStorage();
  const hasOwnTabs = Boolean(storage?.getItem(`${PREFIX}tabState`));
  const [firstTab] = TABS;
  const props = {
    fetcher: createFetcher(),
    defaultTabs: TABS,
    // For new tabs, and for the tabs of a returning visitor, which come back without their headers.
    defaultHeaders: BEARER_HEADER,
    defaultQuery: '# Write an operation here.\n# Ctrl-Space suggests how to go on.\n\n',
    // Headers hold tokens, and anything kept in the browser's storage outlives the session.
    shouldPersistHeaders: false,
    // On a first visit GraphiQL takes only the query of the tab that it opens with.
    ...(hasOwnTabs ? {} : { variables: firstTab.variables, headers: firstTab.headers }),
    storage: storage && withoutHeaders(storage),
  };
  const logo = React.createElement(GraphiQL.Logo, null, 'auth-gateway');
  ReactDOM.createRoot(container).render(React.createElement(GraphiQL, props, logo));
}

const container = document.getElementById('graphiql');
if (window.React && window.ReactDOM && window.GraphiQL) {
  start(container);
} else {
  container.querySelector('.loading').textContent =
    'GraphiQL could not be loaded. Reload the page, or check that this browser may reach the addresses it comes from.';
}
