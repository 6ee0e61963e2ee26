// Draws every figure of the page from the JSON beside it. Nothing is loaded, nothing is computed.
(function () {
  "use strict";

  function draw(holder) {
    var figure = JSON.parse(document.getElementById(holder.id + "-figure").textContent);
    return Plotly.newPlot(holder, figure.data, figure.layout, figure.config).then(fitLabels).then(function () {
      holder.setAttribute("data-drawn", "yes");
    });
  }

  // Words beside a mark are as wide as the reader's font makes them: those that leave the chart become smaller.
  function fitLabels(holder) {
    var frame = holder.getBoundingClientRect();
    var sizes = {};
    holder.querySelectorAll(".annotation").forEach(function (label) {
      var box = label.querySelector(".annotation-text").getBoundingClientRect();
      var room = box.width - Math.max(0, frame.left - box.left) - Math.max(0, box.right - frame.right) - 2;
      if (room < box.width - 2) {
        var index = label.getAttribute("data-index");
        var size = holder.layout.annotations[index].font.size;
        sizes["annotations[" + index + "].font.size"] = Math.floor((10 * size * room) / box.width) / 10;
      }
    });
    return Object.keys(sizes).length ? Plotly.relayout(holder, sizes) : holder;
  }

  // A4 less its margins and those of a panel, in CSS pixels.
  var PAPER_WIDTH = 620;

  // On paper a wide chart is drawn anew for the page, and each drawing scales with its column.
  function fitToPaper() {
    document.querySelectorAll("[data-chart]").forEach(function (holder) {
      if (holder.clientWidth > PAPER_WIDTH) {
        Plotly.relayout(holder, { autosize: false, width: PAPER_WIDTH });
      }
    });
    document.querySelectorAll(".chart .main-svg").forEach(function (drawing) {
      var box = drawing.getBoundingClientRect();
      drawing.setAttribute("viewBox", "0 0 " + Math.round(box.width) + " " + Math.round(box.height));
    });
  }

  function backToScreen() {
    document.querySelectorAll(".chart .main-svg").forEach(function (drawing) {
      drawing.removeAttribute("viewBox");
    });
    document.querySelectorAll("[data-chart]").forEach(function (holder) {
      Plotly.relayout(holder, { autosize: true, width: null });
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
