// The interactive interface description; its script is loaded before this one.

/** @typedef {Window & { SwaggerUIBundle: (options: { url: string, dom_id: string }) => void }} SwaggerWindow */

/** @type {SwaggerWindow} */ (/** @type {unknown} */ (window)).SwaggerUIBundle({
  url: "docs.json",
  dom_id: "#swagger-ui",
});
