// Draws every figure of the page from the JSON beside it. Nothing is loaded, nothing is computed.
(function () {
  "use strict";

  function draw(holder) {
    var figure = JSON.parse(document.getElementById(holder.id + "-figure").textContent);
    return Plotly.newPlot(holder, figure.data, figure.layout, figure.config).then(function () {
      holder.setAttribute("data-drawn", "yes");
    });
  }

  // On paper the drawing scales with the column, whatever the width of the screen was.
  function fitToPaper() {
    document.querySelectorAll(".chart .main-svg").forEach(function (drawing) {
      var box = drawing.getBoundingClientRect();
      drawing.setAttribute("viewBox", "0 0 " + Math.round(box.width) + " " + Math.round(box.height));
    });
  }

  function backToScreen() {
    document.querySelectorAll(".chart .main-svg").forEach(function (drawing) {
      drawing.removeAttribute("viewBox");
    });
  }

  window.addEventListener("beforeprint", fitToPaper);
  window.addEventListener("afterprint", backToScreen);
  document.addEventListener("DOMContentLoaded", function () {
    Promise.all(Array.from(document.querySelectorAll("[data-chart]"), draw)).then(function () {
      document.documentElement.setAttribute("data-charts", "drawn");
    });
  });
})();
