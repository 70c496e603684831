const strips = JSON.parse(document.getElementById("strips").textContent);
const zoom = document.getElementById("zoom"), strip = document.getElementById("strip");
const view = { scale: 1, x: 0, y: 0 };

// One field or well is shown wherever it stands: dots, wells and rows of it light up, its pictures appear.
function wellOf(name) { return name.split("/")[0]; }

function pictureOf(element) {
  const section = element.closest("[data-stain]");
  const known = strips[section ? section.dataset.stain : Object.keys(strips)[0]] || {};
  const name = element.dataset.of in known ? element.dataset.of
    : Object.keys(known).find(field => wellOf(field) === wellOf(element.dataset.of));
  return name && { name, url: "data:image/webp;base64," + known[name] };
}

function lightUp(element) {
  const name = element && element.dataset.of;
  document.querySelectorAll("[data-of]").forEach(other => {
    const both = name && [name, other.dataset.of];
    const alike = both && (both.every(each => each.includes("/")) ? both[0] === both[1]
      : wellOf(both[0]) === wellOf(both[1]));
    other.classList.toggle("same", Boolean(alike));
  });
  const picture = element && pictureOf(element);
  strip.style.display = picture ? "block" : "none";
  if (!picture) return;
  strip.querySelector("img").src = picture.url;
  strip.querySelector("span").textContent = picture.name;
  const box = (element.closest("figure") || element).getBoundingClientRect();
  const below = box.bottom + strip.offsetHeight + 12 < innerHeight;
  strip.style.left = Math.max(4, Math.min(box.left, innerWidth - strip.offsetWidth - 4)) + "px";
  strip.style.top = Math.max(4, below ? box.bottom + 6 : box.top - strip.offsetHeight - 6) + "px";
}

// The pictures of a field side by side, moved and enlarged together.
function place() {
  zoom.querySelectorAll("img").forEach(image => {
    image.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    image.style.imageRendering = view.scale > 3 ? "pixelated" : "auto";
  });
}

function enlarge(factor, x, y) {
  const scale = Math.min(20, Math.max(1, view.scale * factor));
  view.x = scale === 1 ? 0 : x - (x - view.x) * scale / view.scale;
  view.y = scale === 1 ? 0 : y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  place();
}

function show(title, pictures) {
  Object.assign(view, { scale: 1, x: 0, y: 0 });
  zoom.querySelector("p").textContent = title + " – wheel or + − enlarge, drag or arrows move, 0 resets";
  zoom.querySelector(".views").replaceChildren(...pictures.map(({ url, told }) => {
    const figure = document.createElement("figure"), frame = document.createElement("div");
    const image = document.createElement("img"), caption = document.createElement("figcaption");
    image.src = url; image.alt = told; image.draggable = false; caption.textContent = told;
    frame.append(image); figure.append(frame, caption);
    return figure;
  }));
  place();
  zoom.showModal();
  fill(pictures.length);
}

// As large as all of them can be at once, each about square.
function fill(number) {
  const side = columns => Math.min((innerWidth * 0.95) / columns - 10, (innerHeight * 0.88) / Math.ceil(number / columns) - 34);
  const best = Array.from({ length: number }, (_, index) => index + 1).reduce((a, b) => side(b) > side(a) ? b : a);
  zoom.querySelector(".views").style.gridTemplateColumns = `repeat(${best}, ${Math.floor(side(best))}px)`;
}

function showRow(row) {
  const title = row.querySelector("p b").textContent;
  show(title, [...row.querySelectorAll(".panels figure")].map(figure => ({
    url: figure.querySelector("img").src, told: figure.querySelector("figcaption").textContent })));
}

function showNamed(element) {
  const section = element.closest("[data-stain]") || document.querySelector("[data-stain]");
  const row = section && [...section.querySelectorAll("[data-shows]")].find(each =>
    each.dataset.shows === element.dataset.of);
  const picture = pictureOf(element);
  if (row) showRow(row);
  else if (picture) show(picture.name, [{ url: picture.url, told: "what is known of it, small" }]);
}

document.querySelectorAll(".panels img").forEach(image =>
  image.addEventListener("click", () => showRow(image.closest(".field"))));
document.querySelectorAll("[data-of]").forEach(element => {
  for (const event of ["mouseenter", "focus"]) element.addEventListener(event, () => lightUp(element));
  for (const event of ["mouseleave", "blur"]) element.addEventListener(event, () => lightUp(null));
  element.addEventListener("click", () => showNamed(element));
  element.addEventListener("keydown", event => { if (event.key === "Enter") showNamed(element); });
});
zoom.querySelector("button").addEventListener("click", () => zoom.close());
zoom.addEventListener("click", event => { if (event.target === zoom) zoom.close(); });
zoom.querySelector(".views").addEventListener("wheel", event => {
  const frame = event.target.closest("figure div");
  if (!frame) return;
  event.preventDefault();
  const box = frame.getBoundingClientRect();
  enlarge(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
zoom.querySelector(".views").addEventListener("pointermove", event => {
  if (!event.buttons || view.scale === 1) return;
  view.x += event.movementX; view.y += event.movementY;
  place();
});
zoom.addEventListener("keydown", event => {
  const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  const frame = zoom.querySelector("figure div");
  if (!frame) return;
  if (event.key in moves && view.scale > 1) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; place(); }
  else if (event.key === "+") enlarge(1.25, frame.offsetWidth / 2, frame.offsetHeight / 2);
  else if (event.key === "-") enlarge(0.8, frame.offsetWidth / 2, frame.offsetHeight / 2);
  else if (event.key === "0") enlarge(0, 0, 0);
});

// A click on a heading puts the rows in order, another one turns it round.
document.querySelectorAll("thead th").forEach(heading => heading.addEventListener("click", () => {
  const body = heading.closest("table").tBodies[0], column = heading.cellIndex;
  const up = heading.dataset.order !== "up";
  const value = row => row.cells[column].textContent.trim();
  const size = text => ({ k: 1e3, M: 1e6, G: 1e9 }[text.slice(-1)] || 1) * parseFloat(text);
  const compare = (a, b) => Number.isNaN(size(a) - size(b)) ? a.localeCompare(b) : size(a) - size(b);
  [...body.rows].sort((a, b) => (up ? 1 : -1) * compare(value(a), value(b))).forEach(row => body.append(row));
  heading.dataset.order = up ? "up" : "down";
}));
