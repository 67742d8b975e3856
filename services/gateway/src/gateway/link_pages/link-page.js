// How does a page that a link in an e-mail opened do what the link is for?
//
// The token stands after the # of the address, which is sent to nobody. It is taken out of the address bar at
// once, kept in this page alone, and told to our API when the person presses the button. What it says stands in
// the page, in <template> elements.

const TOKEN = /^[A-Za-z0-9_-]{16,200}$/;
const articles = [...document.querySelectorAll("article")];
const otherLanguage = document.querySelector("header a[lang]");
const called = { pl: "Po polsku", en: "In English" };
let token = null;
let asking = false;

function takeToken() {
  const found = location.hash.slice(1);
  if (!TOKEN.test(found) && token !== null) return;
  history.replaceState(null, "", location.pathname);
  token = TOKEN.test(found) ? found : null;
  for (const article of articles) {
    article.querySelector("form").hidden = token === null;
    say(article, token === null ? "no-token" : null);
  }
}

function show(language) {
  for (const article of articles) {
    article.hidden = article.lang !== language;
    if (!article.hidden) document.title = `${article.dataset.title} · Patient Portal`;
  }
  const other = articles.find((article) => article.lang !== language);
  document.documentElement.lang = language;
  otherLanguage.lang = other.lang;
  otherLanguage.textContent = called[other.lang];
}

function say(article, what) {
  const place = article.querySelector(".says");
  const words = what && (template(article, what) ?? template(article, "failed"));
  place.replaceChildren(...(words ? [words.content.cloneNode(true)] : []));
}

function template(article, what) {
  return article.querySelector(`template[data-says="${what}"]`);
}

// What the answer is called in the page's templates.
async function meaning(response) {
  if (response.ok) return "done";
  const problem = await response.json().catch(() => ({}));
  const code = String(problem.type ?? "").split("/").pop();
  if (code !== "invalid") return /^[a-z-]+$/.test(code) ? code : "failed";
  return problem.errors?.[0]?.code ?? "failed";
}

async function ask(form) {
  const fields = Object.fromEntries(new FormData(form));
  try {
    const response = await fetch(form.dataset.asks + token, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Portal-CSRF": "1" },
      body: Object.keys(fields).length > 0 ? JSON.stringify(fields) : undefined,
      credentials: "omit",
      cache: "no-store",
    });
    return await meaning(response);
  } catch {
    return "offline";
  }
}

async function submit(event) {
  event.preventDefault();
  if (asking) return;
  const form = event.target;
  const article = form.closest("article");
  const field = form.querySelector("input[name]");
  const button = form.querySelector("button");
  const wrong = field !== null && !field.validity.valid;
  asking = true;
  button.setAttribute("aria-disabled", "true");
  say(article, wrong ? null : "working");
  const what = wrong ? "password-weak" : await ask(form);
  asking = false;
  button.removeAttribute("aria-disabled");
  if (what === "done" || what === "link-expired") {
    for (const each of articles) {
      each.querySelector("form").hidden = true;
      say(each, what);
    }
    article.querySelector(".says").focus();
    return;
  }
  say(article, what);
  const typed = what === "password-weak" || what === "control-character";
  field?.setAttribute("aria-invalid", String(typed));
  (typed ? field : button).focus();
}

for (const article of articles) {
  article.querySelector("form").addEventListener("submit", submit);
  const shows = article.querySelector("[data-shows]");
  shows?.addEventListener("change", () => {
    document.getElementById(shows.dataset.shows).type = shows.checked ? "text" : "password";
  });
}
otherLanguage.addEventListener("click", (event) => {
  event.preventDefault();
  show(otherLanguage.lang);
});
addEventListener("hashchange", takeToken);
show(document.documentElement.lang);
takeToken();
