"use strict";
// Swagger UI on the merged document. A call made here rides on the session of
// this page, so it shows that session's CSRF token.
(async () => {
  let csrf = "";
  const session = await fetch("/session");
  if (session.ok) csrf = (await session.json()).csrf;
  SwaggerUIBundle({
    url: "/api/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    showExtensions: true,
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
    requestInterceptor: (r) => {
      if (csrf && r.method && r.method !== "GET") r.headers["X-CSRF-Token"] = csrf;
      return r;
    },
  });
})();
