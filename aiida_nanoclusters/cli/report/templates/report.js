"use strict";
// What the script of the chart shares with this one.
const clusterReport = {};
(() => {
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const config = {
    responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "",
    toImageButtonOptions: {format: "svg"}, modeBarButtonsToRemove: ["select2d", "lasso2d"],
  };

  // -- pictures in the page's own colours --------------------------------------------------
  const theme = layout => {
    const update = {
      "font.color": css("--ink"), "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": css("--line"),
      "modebar.activecolor": css("--muted"),
    };
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis\d*$/.test(key)) continue;
      update[key + ".gridcolor"] = css("--grid");
      update[key + ".linecolor"] = update[key + ".tickcolor"] = css("--muted");
    }
    return update;
  };
  // Two panels side by side stand one above the other where the page is narrow.
  const NARROW = 640;
  const stack = layout => {
    const [one, two] = [layout.xaxis?.domain, layout.xaxis2?.domain];
    if (innerWidth >= NARROW || layout.xaxis3 || !one || !two || one[1] > two[0]) return layout;
    const wide = {...layout, height: 1.7 * layout.height};
    for (const [x, y, domain] of [["xaxis", "yaxis", [0.58, 1]], ["xaxis2", "yaxis2", [0, 0.42]]]) {
      if (!layout[y] || layout[y].matches) return layout;
      wide[x] = {...layout[x], domain: [0, 1]};
      wide[y] = {...layout[y], domain};
    }
    return wide;
  };
  const plots = [...document.querySelectorAll("[data-figure]")];
  for (const plot of plots) {
    const figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
    Plotly.newPlot(plot, figure.data, stack(figure.layout), config)
      .then(() => Plotly.relayout(plot, theme(plot.layout)));
  }
  const repaint = () => plots.forEach(plot => Plotly.relayout(plot, theme(plot.layout)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  const paper = printing => () => {
    document.documentElement.classList.toggle("light", printing);
    repaint();
  };
  addEventListener("beforeprint", paper(true));
  addEventListener("afterprint", paper(false));

  // -- structures --------------------------------------------------------------------------
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const webgl = Boolean(document.createElement("canvas").getContext("webgl"));

  // Cyan: 12 neighbours. Browns: fewer, the darker the fewer. Grey: more.
  const BROWNS = ["#6a3717", "#7d441e", "#905227", "#a36131", "#b5713e", "#c6834f", "#d69763", "#e5ad7c"];
  const colour = z => z === 12 ? "#1fb8cd" : z > 12 ? "#8f96a3" : BROWNS[Math.min(7, Math.max(0, z - 4))];

  const sphere = rounds => {
    const t = (1 + Math.sqrt(5)) / 2;
    const points = [[-1, t, 0], [1, t, 0], [-1, -t, 0], [1, -t, 0], [0, -1, t], [0, 1, t], [0, -1, -t],
      [0, 1, -t], [t, 0, -1], [t, 0, 1], [-t, 0, -1], [-t, 0, 1]];
    let faces = [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4],
      [11, 10, 2], [10, 7, 6], [7, 1, 8], [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9],
      [4, 9, 5], [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1]];
    for (let round = 0; round < rounds; round++) {
      const known = new Map();
      const middle = (a, b) => {
        const key = a < b ? a + "," + b : b + "," + a;
        if (!known.has(key)) {
          known.set(key, points.length);
          points.push([0, 1, 2].map(k => (points[a][k] + points[b][k]) / 2));
        }
        return known.get(key);
      };
      for (const p of points) normalise(p);
      faces = faces.flatMap(([a, b, c]) => {
        const [ab, bc, ca] = [middle(a, b), middle(b, c), middle(c, a)];
        return [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]];
      });
    }
    for (const p of points) normalise(p);
    return {points, faces};
  };
  const normalise = p => {
    const length = Math.hypot(...p);
    for (let k = 0; k < 3; k++) p[k] /= length;
  };

  // Half the median distance to the nearest atom: spheres that touch.
  const radius = atoms => {
    const nearest = atoms.slice(0, 60).map(a => Math.min(...atoms
      .filter(b => b !== a).map(b => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]))));
    nearest.sort((a, b) => a - b);
    return nearest.length > 1 ? nearest[Math.floor(nearest.length / 2)] / 2 : 1.2;
  };
  Object.assign(clusterReport, {config, css, sphere, radius, webgl});

  const source = document.getElementById("structures-data");
  if (!source) return;
  const {steps, structures} = JSON.parse(source.textContent);
  const viewer = document.getElementById("viewer");
  const choice = document.getElementById("structure");
  const read = structure => {
    const raw = new DataView(bytes(structure.positions).buffer);
    const at = i => [0, 1, 2].map(k => raw.getInt16(2 * (3 * i + k), true) / steps);
    const atoms = Array.from({length: structure.size}, (_, i) => at(i));
    return {...structure, atoms, neighbours: [...bytes(structure.coordination)]};
  };
  // Drawn by element where the elements are told, by the number of neighbours otherwise.
  const paint = (s, n) => s.colours ? s.colours[n] : colour(s.neighbours[n]);
  const say = (s, n) => s.symbols ? `${s.symbols[n]}, atom ${n + 1}` : `atom ${n + 1}: ${s.neighbours[n]} neighbours`;
  const sticks = (s, axis) => (s.bonds ?? []).flatMap(([a, b]) => [s.atoms[a][axis], s.atoms[b][axis], null]);
  const modebar = {bgcolor: "rgba(0,0,0,0)", color: css("--line"), activecolor: css("--muted")};
  const solid = structure => {
    const {atoms} = structure;
    const {points, faces} = sphere(atoms.length > 150 ? 1 : 2);
    const touching = radius(atoms);
    const mesh = {type: "mesh3d", x: [], y: [], z: [], i: [], j: [], k: [], vertexcolor: [], text: [],
      hoverinfo: "text", flatshading: false,
      lighting: {ambient: 0.3, diffuse: 0.75, specular: 0.08, roughness: 0.8, fresnel: 0},
      lightposition: {x: 0, y: 0, z: -1e5}};  // plotly's z points away from the eye: light from behind it
    atoms.forEach((atom, n) => {
      const first = mesh.x.length;
      const r = structure.radii ? structure.radii[n] : touching;
      for (const p of points) {
        mesh.x.push(atom[0] + r * p[0]);
        mesh.y.push(atom[1] + r * p[1]);
        mesh.z.push(atom[2] + r * p[2]);
        mesh.vertexcolor.push(paint(structure, n));
        mesh.text.push(say(structure, n));
      }
      for (const [a, b, c] of faces) {
        mesh.i.push(first + a);
        mesh.j.push(first + b);
        mesh.k.push(first + c);
      }
    });
    const hidden = {visible: false, showspikes: false};
    const bonds = {type: "scatter3d", mode: "lines", x: sticks(structure, 0), y: sticks(structure, 1),
      z: sticks(structure, 2), line: {color: "#8a8f98", width: 5}, hoverinfo: "skip"};
    return [structure.bonds ? [bonds, mesh] : [mesh], {
      showlegend: false, margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0,0,0,0)", uirevision: "same", modebar,
      scene: {xaxis: hidden, yaxis: hidden, zaxis: hidden, aspectmode: "data", dragmode: "orbit",
        camera: {eye: {x: 0.7, y: 0.7, z: 0.5}, projection: {type: "orthographic"}}},
    }];
  };
  // Where there is no WebGL: seen from one side, the farthest atoms drawn first.
  const flat = structure => {
    const {atoms} = structure;
    const order = atoms.map((_, i) => i).sort((a, b) => atoms[a][2] - atoms[b][2]);
    const reach = 1.1 * Math.max(...atoms.map(a => Math.max(Math.abs(a[0]), Math.abs(a[1])))) + 1.5;
    const touching = radius(atoms);
    const sizes = order.map(i => (structure.radii ? 1.3 * structure.radii[i] : touching) * 400 / reach);
    const axis = {visible: false, range: [-reach, reach]};
    return [[{
      type: "scatter", mode: "lines", x: sticks(structure, 0), y: sticks(structure, 1), hoverinfo: "skip",
      line: {color: "#8a8f98", width: 3},
    }, {
      type: "scatter", mode: "markers", x: order.map(i => atoms[i][0]), y: order.map(i => atoms[i][1]),
      text: order.map(i => say(structure, i)), hoverinfo: "text",
      marker: {size: sizes, opacity: 1, color: order.map(i => paint(structure, i)),
        line: {width: 1, color: "#00000055"}},
    }], {
      margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      modebar, xaxis: axis, yaxis: {...axis, scaleanchor: "x"}, showlegend: false,
    }];
  };

  const show = () => {
    const structure = structures[choice.value];
    const content = read(structure);
    const [data, layout] = webgl ? solid(content) : flat(content);
    Plotly.react(viewer, data, layout, config);
    const kinds = content.symbols ?? content.neighbours;
    const counts = new Map();
    kinds.forEach((kind, n) => counts.set(kind, [(counts.get(kind)?.[0] ?? 0) + 1, paint(content, n)]));
    const entries = [...counts];
    if (!content.symbols) entries.sort((a, b) => b[0] - a[0]);
    const legend = document.getElementById("legend");
    legend.replaceChildren(...entries.map(([kind, [count, shade]]) => {
      const entry = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = shade;
      entry.append(dot, content.symbols ? `${kind}: ${count}` : `${kind} neighbours: ${count}`);
      return entry;
    }));
    const note = webgl ? "" : " This browser has no WebGL: a flat picture is shown.";
    document.getElementById("structure-text").textContent = `${structure.title}: ${structure.text}${note}`;
    document.getElementById("structure-uuid").textContent = structure.uuid;
  };
  const step = by => {
    choice.selectedIndex = (choice.selectedIndex + by + choice.options.length) % choice.options.length;
    show();
  };
  choice.addEventListener("change", show);
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  show();
})();
