(() => {
  const problems = [], slack = 1;
  let charts = 0, labels = 0, marks = 0;
  const inside = (b, frame) => b.left >= frame.left - slack && b.right <= frame.right + slack && b.top >= frame.top - slack && b.bottom <= frame.bottom + slack;
  const place = b => `${b.left.toFixed(1)},${b.top.toFixed(1)} to ${b.right.toFixed(1)},${b.bottom.toFixed(1)}`;
  const print = matchMedia("print").matches;
  for (const figure of document.querySelectorAll("figure")) {
    const shown = [...figure.querySelectorAll("svg.chart")].filter(s => s.getBoundingClientRect().width > 0);
    if (shown.length !== 1) {
      problems.push(`${shown.length} charts are shown in "${figure.querySelector("h3").textContent}"`);
      continue;
    }
    charts++;
    const svg = shown[0], frame = svg.getBoundingClientRect(), name = svg.querySelector("title").id;
    const scale = frame.width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll("text")].map(e => ({ words: e.textContent, box: e.getBoundingClientRect(), size: parseFloat(getComputedStyle(e).fontSize) * scale }));
    labels += texts.length;
    const smallest = print ? 8 : innerWidth < 400 ? 9 : 10.9;
    texts.forEach((t, i) => {
      if (t.box.width === 0) problems.push(`${name}: "${t.words}" is not shown`);
      if (!inside(t.box, frame)) problems.push(`${name}: "${t.words}" leaves the frame: ${place(t.box)} of ${place(frame)}`);
      if (t.size < smallest) problems.push(`${name}: "${t.words}" is only ${t.size.toFixed(1)} px high`);
      for (const o of texts.slice(i + 1)) {
        const wide = Math.min(t.box.right, o.box.right) - Math.max(t.box.left, o.box.left);
        const high = Math.min(t.box.bottom, o.box.bottom) - Math.max(t.box.top, o.box.top);
        if (wide > 1 && high > 4 * scale) problems.push(`${name}: "${t.words}" and "${o.words}" overlap by ${wide.toFixed(1)} × ${high.toFixed(1)}`);
      }
    });
    const drawn = [...svg.querySelectorAll(".mark")];
    marks += drawn.length;
    if (drawn.length === 0) problems.push(`${name}: no marks`);
    for (const m of drawn) {
      const b = m.getBoundingClientRect();
      if (!inside(b, frame)) problems.push(`${name}: a mark leaves the frame: ${place(b)} of ${place(frame)}`);
      const look = getComputedStyle(m);
      if (look.fill === "none" && look.stroke === "none") problems.push(`${name}: a mark cannot be seen: ${m.getAttribute("d").slice(0, 60)}`);
    }
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) problems.push(`the page is ${root.scrollWidth} px wide, and the window ${root.clientWidth}`);
  return { problems, charts, labels, marks, paper: getComputedStyle(document.body).backgroundColor };
})()
