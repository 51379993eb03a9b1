// Starts Swagger UI with this server's OpenAPI document, each operation once: many also have an address
// at the root.
window.addEventListener("DOMContentLoaded", async () => {
  const spec = await (await fetch("/openapi.json")).json();
  for (const [path, methods] of Object.entries(spec.paths)) {
    const twice = Object.values(methods).every((one) => one.operationId.endsWith("_at_root"));
    if (twice) delete spec.paths[path];
  }
  SwaggerUIBundle({
    spec,
    dom_id: "#reference",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    persistAuthorization: false,
  });
});
