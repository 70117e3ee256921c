// Starts GraphiQL at the page's own URL, with prepared tabs for the main operations.
//
// The page keeps the newest tokens that it has received, in memory only, and replaces the
// placeholder of a request with them. So "register, then me" needs no copying, and no token gets
// into the browser's storage, where GraphiQL keeps the variables.

const ACCESS_TOKEN_PLACEHOLDER = 'paste-the-accessToken-here';
const REFRESH_TOKEN_PLACEHOLDER = 'paste-the-refreshToken-here';

/** The prefix of GraphiQL's keys in the browser's storage. */
const PREFIX = 'graphiql:';

const BEARER_HEADER = `{ "Authorization": "Bearer ${ACCESS_TOKEN_PLACEHOLDER}" }`;

// Each tab fits into a window of 1280 by 800 pixels: at most 50 columns, 20 lines, and 6 lines of
// variables.
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
    query: `# Signs in to an existing account.
# The variables below may name "username"
# instead of "email".

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
    query: `# Shows the account of the access token. Run it
# after register or login: the page replaces the
# placeholder in "Headers" below with the newest
# access token that it has received. To use
# another token, enter it there.

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
    query: `# Exchanges a refresh token for a new pair of
# tokens. The page replaces the placeholder in the
# variables below with the newest refresh token
# that it has received.

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
    query: `# Signs out. CURRENT ends the session of the
# access token in "Headers", OTHERS all other
# sessions of the account, ALL all of them. The
# placeholder in "Headers" works as in the tab me.

mutation logout($scope: LogoutScope! = CURRENT) {
  logout(scope: $scope)
}`,
    variables: '{ "scope": "CURRENT" }',
    headers: BEARER_HEADER,
  },
  {
    query: `# Waits until the session of the access token in
# "Headers" ends, and shows the reason. Run it,
# then sign out in another window, or run logout
# in another tab of this window: this subscription
# stays open meanwhile.

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

/** The newest tokens received since the page was loaded. */
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
      // Before the first sign-in, the error is then "no token" instead of "a malformed token".
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
    // Subscriptions use a WebSocket, with the headers as connection parameters: a page cannot set
    // headers of a WebSocket.
    subscriptionUrl: `${location.origin.replace(/^http/, 'ws')}${location.pathname}`,
    // The gateway sends each response as a whole. This also keeps "multipart/mixed" out of Accept.
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

/** The browser's storage, or `null` if the user has disabled it, in which case reading it throws. */
function findStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/**
 * A storage that removes the headers from GraphiQL's history, which ignores `shouldPersistHeaders`.
 */
function withoutHeaders(storage) {
  const historyKeys = [`${PREFIX}queries`, `${PREFIX}favorites`];
  const withoutField = (name, value) => (name === 'headers' ? undefined : value);
  const stripped = (json) => JSON.stringify(JSON.parse(json), withoutField);
  return {
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => storage.setItem(key, historyKeys.includes(key) ? stripped(value) : value),
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
  const hasStoredTabs = Boolean(storage?.getItem(`${PREFIX}tabState`));
  const [firstTab] = TABS;
  const props = {
    fetcher: createFetcher(),
    defaultTabs: TABS,
    // For new tabs, and for restored tabs, whose headers are not stored.
    defaultHeaders: BEARER_HEADER,
    defaultQuery: '# Write an operation here.\n# Ctrl-Space shows suggestions.\n\n',
    // Headers contain tokens, and the browser's storage outlives the session.
    shouldPersistHeaders: false,
    // Without stored tabs, GraphiQL uses only the query of the first default tab.
    ...(hasStoredTabs ? {} : { variables: firstTab.variables, headers: firstTab.headers }),
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
    'GraphiQL could not be loaded. Reload the page, or check that this browser can load its scripts.';
}
