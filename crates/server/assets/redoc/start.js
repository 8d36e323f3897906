// Begins ReDoc on our own description. Its search would need a worker made of text, which the page does not allow.
Redoc.init(
  "/openapi.json",
  { disableSearch: true, hideDownloadButton: false, theme: { typography: { fontFamily: "inherit", headings: { fontFamily: "inherit" } } } },
  document.getElementById("api"),
);
