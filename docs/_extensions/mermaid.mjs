// Reads a Mermaid diagram from standard input and writes it as SVG in the colors of the page.
import { readFileSync } from "node:fs";
import { renderMermaidSVG } from "beautiful-mermaid";

const svg = renderMermaidSVG(readFileSync(0, "utf8"), {
  bg: "var(--color-background-primary)",
  fg: "var(--color-foreground-primary)",
  transparent: true,
});
process.stdout.write(svg.replace(/@import [^\n]*\n/, "")); // this would load a font from another server
