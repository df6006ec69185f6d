// Light or dark before anything is drawn: what the reader chose here or on
// the book's pages, whose theme keeps the choice under the same names.
const chosen = () => localStorage.getItem("theme");
const isDark = () =>
  ["light", "dark"].includes(chosen())
    ? chosen() === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
const show = () => {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
};
show();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    localStorage.setItem("theme", theme);
    localStorage.setItem("mode", theme);
    show();
  });
});
