SwaggerUIBundle({ url: "docs.json", dom_id: "#swagger-ui" });
