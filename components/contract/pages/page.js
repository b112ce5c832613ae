// In the sandboxed frames of KFP, a link such as "#figures" would leave the report, so this script scrolls instead.
// If scripts are forbidden, the table of contents stays hidden.
const contents = document.querySelector("nav");
if (contents) {
  contents.hidden = false;
  contents.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("a");
    if (!link) return;
    event.preventDefault();
    document.getElementById(link.hash.slice(1))?.scrollIntoView();
  });
}
