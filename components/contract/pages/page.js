// In the sandboxed frames of KFP a plain "#figures" would leave the report, so scrolling is done here;
// where scripts are forbidden the contents stay hidden.
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
