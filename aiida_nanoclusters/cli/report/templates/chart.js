"use strict";
(() => {
  const source = document.getElementById("chart-data");
  if (!source) return;
  const {config, css, sphere, radius, webgl} = clusterReport;
  const chart = JSON.parse(source.textContent);
  const plot = document.getElementById("chart-plot");
  const viewer = document.getElementById("chart-viewer");
  const raw = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
  const floats = text => new Float32Array(raw(text));
  const shorts = text => new Int16Array(raw(text));
  const longs = text => new Int32Array(raw(text));

  const d = chart.dimensions;
  const columns = flat => Array.from({length: 3}, (_, k) =>
    k < d ? Array.from({length: flat.length / d}, (_, i) => flat[d * i + k]) : new Array(flat.length / d).fill(0));
  const place = columns(floats(chart.coordinates));
  const family = shorts(chart.family), packing = shorts(chart.packing);
  const frame = longs(chart.frame), size = longs(chart.size), energy = floats(chart.energy);
  const outside = new Uint8Array(raw(chart.outside)), structure = longs(chart.structure);
  const count = chart.count;
  const three = webgl && d === 3;

  // -- the points --------------------------------------------------------------------------
  const number = (value, digits) => value.toFixed(digits).replace("-", "−");
  const words = i => {
    const parts = [];
    if (family[i] >= 0) parts.push(chart.families[family[i]].label);
    if (packing[i] >= 0) parts.push(`by common neighbours ${chart.packings[packing[i]].label}`);
    if (Number.isFinite(energy[i])) parts.push(`${number(energy[i], 3)} eV above the lowest of ${size[i]} atoms`);
    if (outside[i]) parts.push("outside of what the chart has seen");
    return parts;
  };
  const trace = (indices, extra) => ({
    type: three ? "scatter3d" : "scattergl", mode: "markers",
    x: indices.map(i => place[0][i]), y: indices.map(i => place[1][i]),
    ...(three ? {z: indices.map(i => place[2][i])} : {}),
    customdata: indices, hovertemplate: "%{text}<extra></extra>",
    text: indices.map(i => [`frame ${frame[i]}`, ...words(i)].join("<br>")),
    ...extra,
  });
  const hidden = new Set();
  let points = 3;
  const marker = colour => ({size: points, color: colour, opacity: three ? 0.85 : 0.7, line: {width: 0}});
  const groups = (of, entries) => {
    const members = new Map();
    for (let i = 0; i < count; i++) {
      if (!members.has(of[i])) members.set(of[i], []);
      members.get(of[i]).push(i);
    }
    return [...members.keys()].sort((a, b) => (a < 0) - (b < 0) || a - b).map(key => {
      const entry = key < 0 ? {label: "no name", colour: chart.none} : entries[key];
      return trace(members.get(key), {name: entry.label, marker: marker(entry.colour), visible: !hidden.has(entry.label)});
    });
  };
  const byEnergy = () => {
    const all = Array.from({length: count}, (_, i) => i);
    const known = all.filter(i => Number.isFinite(energy[i]));
    const ordered = known.map(i => energy[i]).sort((a, b) => a - b);
    const cmax = ordered[Math.floor(0.98 * (ordered.length - 1))] ?? 1;
    const colours = {color: known.map(i => energy[i]), cmin: 0, cmax, colorscale: "Viridis", reversescale: true,
      colorbar: {title: {text: "eV above<br>the lowest"}, thickness: 12, len: 0.6, x: 1.0}};
    return [trace(known, {name: "energy", marker: {...marker("#888"), ...colours}})];
  };
  const line = (flat, extra) => {
    const [x, y, z] = columns(flat);
    return {type: three ? "scatter3d" : "scatter", x, y, ...(three ? {z} : {}), hoverinfo: "skip",
      visible: !hidden.has(extra.name), ...extra};
  };
  const background = () => {
    const flat = floats(chart.seen);
    return flat.length ? [line(flat, {mode: "markers", name: "frames of the chart",
      marker: {size: Math.max(1, points - 1.5), color: css("--muted"), opacity: 0.16, line: {width: 0}}})] : [];
  };
  const lines = () => [
    ...(chart.track ? [line(floats(chart.track.coordinates), {mode: "lines", name: "running mean in time",
      line: {color: css("--ink"), width: three ? 4 : 1.5}})] : []),
    ...(chart.path ? [line(floats(chart.path.coordinates), {mode: "lines+markers", name: chart.path.label,
      marker: {size: 3, color: css("--ink")}, line: {color: css("--ink"), width: three ? 7 : 2}})] : []),
  ];
  let chosen = -1;
  const halo = () => chosen < 0 ? [] : [{
    type: three ? "scatter3d" : "scatter", mode: "markers", x: [place[0][chosen]], y: [place[1][chosen]],
    ...(three ? {z: [place[2][chosen]]} : {}), hoverinfo: "skip",
    marker: {size: three ? points + 9 : points + 12, color: "rgba(0,0,0,0)", symbol: "circle-open",
      line: {width: 3, color: css("--ink")}},
  }];
  const colouring = () => document.querySelector('input[name="chart-colour"]:checked').value;
  const axis = k => ({title: {text: `Coordinate ${k + 1}`}, color: css("--muted"), gridcolor: css("--grid"),
    zeroline: false, showbackground: false, showspikes: false, linecolor: css("--line"), tickfont: {size: 11}, nticks: 6});
  const layout = () => ({
    margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", uirevision: "same",
    font: {family: "system-ui, sans-serif", size: 12, color: css("--ink")}, hovermode: "closest",
    modebar: {bgcolor: "rgba(0,0,0,0)", color: css("--line"), activecolor: css("--muted")},
    showlegend: false,
    ...(three
      ? {scene: {xaxis: axis(0), yaxis: axis(1), zaxis: axis(2), aspectmode: "data", dragmode: "orbit",
          camera: {eye: {x: 0.7, y: 0.7, z: 0.45}, projection: {type: "orthographic"}}}}
      : {margin: {l: 50, r: 10, t: 10, b: 40}, xaxis: axis(0), yaxis: axis(1)}),
  });
  const traces = () => [
    ...background(),
    ...(colouring() === "energy" ? byEnergy() : colouring() === "packing" ? groups(packing, chart.packings) : groups(family, chart.families)),
    ...lines(), ...halo(),
  ];
  // Entries that can be hidden; a double click leaves one alone.
  const legend = drawn => {
    const entries = drawn.filter(t => t.name && t.name !== "energy");
    const names = entries.map(t => t.name);
    document.getElementById("chart-key").replaceChildren(...entries.map(t => {
      const button = document.createElement("button");
      const dot = document.createElement("i");
      button.type = "button";
      button.setAttribute("aria-pressed", String(!hidden.has(t.name)));
      dot.style.background = t.mode === "markers" ? t.marker.color : t.line.color;
      if (t.mode !== "markers") dot.className = "line";
      button.append(dot, t.name);
      button.addEventListener("click", () => {
        if (!hidden.delete(t.name)) hidden.add(t.name);
        draw();
      });
      button.addEventListener("dblclick", () => {
        const alone = names.every(name => name === t.name || hidden.has(name));
        for (const name of names) if (alone || name === t.name) hidden.delete(name); else hidden.add(name);
        draw();
      });
      return button;
    }));
  };
  const draw = () => {
    const drawn = traces();
    legend(drawn);
    return Plotly.react(plot, drawn, layout(), config);
  };

  // -- the structure of a point ------------------------------------------------------------
  const nearest = i => {
    if (structure[i] >= 0) return [i, 0];
    let best = -1, least = Infinity;
    for (let j = 0; j < count; j++) {
      if (structure[j] < 0) continue;
      const apart = Math.hypot(...[0, 1, 2].map(k => place[k][i] - place[k][j]));
      if (apart < least) [best, least] = [j, apart];
    }
    return [best, least];
  };
  const surfaceClass = chart.classes.findIndex(c => c.label === "surface");
  const ball = (mesh, atom, r, colour, {points: corners, faces}) => {
    const first = mesh.x.length;
    for (const p of corners) {
      mesh.x.push(atom[0] + r * p[0]);
      mesh.y.push(atom[1] + r * p[1]);
      mesh.z.push(atom[2] + r * p[2]);
      mesh.vertexcolor.push(colour);
    }
    for (const [a, b, c] of faces) {
      mesh.i.push(first + a);
      mesh.j.push(first + b);
      mesh.k.push(first + c);
    }
  };
  const picture = (atoms, classes) => {
    const style = document.getElementById("chart-atoms").value;
    const r = radius(atoms);
    const shown = atoms.map((_, n) => n).filter(n => style !== "section" || atoms[n][1] < 0.35 * r);
    const radiusOf = n => style === "inside" && classes[n] === surfaceClass ? 0.36 * r : 0.97 * r;
    const colourOf = n => chart.classes[classes[n]].colour;
    const reach = Math.max(...atoms.map(a => Math.hypot(...a))) + r;
    const hidden = {visible: false, showspikes: false, range: [-reach, reach]};
    const plain = {margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      uirevision: "same", showlegend: false, modebar: {bgcolor: "rgba(0,0,0,0)", color: css("--line"), activecolor: css("--muted")}};
    if (!webgl) {
      const order = shown.sort((a, b) => atoms[b][1] - atoms[a][1]);
      return [[{type: "scatter", mode: "markers", hoverinfo: "skip", x: order.map(n => atoms[n][0]), y: order.map(n => atoms[n][2]),
        marker: {size: order.map(n => radiusOf(n) * 320 / reach), color: order.map(colourOf), opacity: 1, line: {width: 1, color: "#0005"}}}],
        {...plain, xaxis: hidden, yaxis: {...hidden, scaleanchor: "x"}}];
    }
    const mesh = {type: "mesh3d", x: [], y: [], z: [], i: [], j: [], k: [], vertexcolor: [], hoverinfo: "skip",
      lighting: {ambient: 0.42, diffuse: 0.7, specular: 0.12, roughness: 0.7, fresnel: 0}, lightposition: {x: 0, y: 0, z: -1e5}};
    const form = sphere(shown.length > 150 ? 1 : 2);
    for (const n of shown) ball(mesh, atoms[n], radiusOf(n), colourOf(n), form);
    return [[mesh], {...plain, scene: {xaxis: hidden, yaxis: hidden, zaxis: hidden, aspectmode: "cube", dragmode: "orbit",
      camera: {eye: {x: 0.22, y: 0.72, z: 0.25}, projection: {type: "orthographic"}}}}];
  };
  const show = i => {
    const [kept, apart] = nearest(i);
    chosen = kept < 0 ? i : kept;
    const text = document.getElementById("chart-text");
    const title = document.createElement("strong");
    title.textContent = `Frame ${frame[chosen]}`;
    const note = kept < 0 ? ["no structures are kept in this page"]
      : kept === i ? [] : [`the structure of frame ${frame[i]} is not in this page: this one is ${number(apart, 3)} away in the chart`];
    text.replaceChildren(title, [...words(chosen), ...note].join("; ") + ".");
    draw();
    if (kept < 0) return;
    const own = chart.structures[structure[kept]];
    const steps = shorts(own.positions), classes = new Uint8Array(raw(own.classes));
    const atoms = Array.from(classes, (_, n) => [0, 1, 2].map(k => steps[3 * n + k] / chart.steps));
    const [data, form] = picture(atoms, classes);
    Plotly.react(viewer, data, form, config);
    const counts = new Map();
    for (const c of classes) counts.set(c, (counts.get(c) ?? 0) + 1);
    document.getElementById("chart-legend").replaceChildren(...[...counts].sort((a, b) => b[1] - a[1]).map(([c, n]) => {
      const entry = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = chart.classes[c].colour;
      entry.append(dot, `${chart.classes[c].label}: ${n}`);
      return entry;
    }));
  };

  // -- what the reader does ----------------------------------------------------------------
  draw().then(() => plot.on("plotly_click", ({points: hit}) => {
    const i = hit.map(p => p.customdata).find(Number.isInteger);
    if (i !== undefined) show(i);
  }));
  for (const input of document.querySelectorAll('input[name="chart-colour"]')) input.addEventListener("change", draw);
  document.getElementById("chart-size").addEventListener("input", event => {
    points = Number(event.target.value);
    draw();
  });
  document.getElementById("chart-atoms").addEventListener("change", () => { if (chosen >= 0) show(chosen); });
  for (const button of document.querySelectorAll("button.show")) {
    button.addEventListener("click", () => {
      show(Number(button.dataset.point));
      document.getElementById("chart").scrollIntoView();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  if (count) show(Math.max(0, structure.findIndex(s => s === 0)));
})();
