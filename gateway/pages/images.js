// Images on canvases: the contract's ImageBatch (RAW_UINT8) in, pixels out.

const ENLARGED = 4;
const GAP = 4;

// Base64 as the contract's JSON has it.
export function bytesOf(base64 = "") {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

// {count, height, width, channels, bytes}
export function imagesOf(batch) {
  const [count, height, width, channels] = batch.shape;
  return { count, height, width, channels, bytes: bytesOf(batch.data) };
}

function bitmap(images, index) {
  const { height, width, channels, bytes } = images;
  const pixels = new ImageData(width, height);
  const start = index * height * width * channels;
  for (let place = 0; place < height * width; place += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      pixels.data[place * 4 + channel] = bytes[start + place * channels + Math.min(channel, channels - 1)];
    }
    pixels.data[place * 4 + 3] = 255;
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

export function drawOne(canvas, images, index = 0) {
  canvas.width = 560;
  canvas.height = Math.round((560 * images.height) / images.width);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap(images, index), 0, 0, canvas.width, canvas.height);
}

// Returns where each image lies: [x, y, width, height] in canvas pixels.
export function drawWall(canvas, images, columns = Math.ceil(Math.sqrt(images.count))) {
  const [width, height] = [images.width * ENLARGED, images.height * ENLARGED];
  canvas.width = columns * (width + GAP) - GAP;
  canvas.height = Math.ceil(images.count / columns) * (height + GAP) - GAP;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  return Array.from({ length: images.count }, (_, index) => {
    const [x, y] = [(index % columns) * (width + GAP), Math.floor(index / columns) * (height + GAP)];
    context.drawImage(bitmap(images, index), x, y, width, height);
    return [x, y, width, height];
  });
}

export function outline(canvas, [x, y, width, height], color) {
  const context = canvas.getContext("2d");
  context.strokeStyle = color;
  context.lineWidth = 8;
  context.strokeRect(x + 4, y + 4, width - 8, height - 8);
}

// Shades each tile of an image; shares are 0 (none) to 1, row by row.
export function shadeTiles(canvas, shares, side) {
  const context = canvas.getContext("2d");
  const [width, height] = [canvas.width / side, canvas.height / side];
  shares.forEach((share, index) => {
    context.fillStyle = `rgb(255 140 0 / ${0.6 * share})`;
    context.fillRect((index % side) * width, Math.floor(index / side) * height, width, height);
  });
}

// What is going to be drawn: a grid of empty cells from the `first` on, numbered if they have an order.
export function drawGrid(canvas, side, { paper, line, ink, isNumbered = false, first = 0 }) {
  const context = canvas.getContext("2d");
  const [width, height] = [canvas.width / side, canvas.height / side];
  context.strokeStyle = line;
  context.font = `${Math.round(height / 3.2)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let index = first; index < side * side; index += 1) {
    const [x, y] = [(index % side) * width, Math.floor(index / side) * height];
    context.fillStyle = paper;
    context.fillRect(x, y, width, height);
    context.strokeRect(x + 2, y + 2, width - 4, height - 4);
    context.fillStyle = ink;
    if (isNumbered) context.fillText(String(index + 1), x + width / 2, y + height / 2);
  }
}
