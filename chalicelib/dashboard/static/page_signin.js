// The door of a farm with tokens.

import { post } from "./api.js";
import { h, replace } from "./dom.js";

export function signIn(content, done) {
  const field = h("input", {
    id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false",
  });
  const problem = h("p", { class: "problem", id: "token-problem", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await post("/session", { token: field.value.trim() });
      done();
    } catch (error) {
      problem.textContent =
        error.status === 401 ? "The farm does not know this token. Check that all of it was copied." : error.message;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", "token-problem");
      field.select();
    }
  };
  replace(
    content,
    h(
      "form",
      { class: "card narrow", onsubmit: submit },
      h("h1", {}, "Sign in"),
      h("p", {}, "This farm asks for a token. Whoever runs it makes you one with ", h("code", {}, "millrace token"), "."),
      h("label", { for: "token" }, "Token"),
      field,
      problem,
      h("div", { class: "buttons" }, h("button", { class: "primary" }, "Sign in")),
    ),
  );
  document.title = "Sign in · Millrace";
  field.focus();
}
