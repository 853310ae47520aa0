-- Two kinds of plot, as SVG text.
local svg = {}

local colours = {
  "#d62728", "#ff9896", "#222222", "#666666", "#999999", "#bbbbbb", "#dddddd", "#17becf",
  "#2ca02c", "#1f77b4", "#6baed6", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#ff7f0e", "#7f7f00",
}

local function colour(i) return colours[(i - 1) % #colours + 1] end

local function log10(x) return math.log(x, 10) end

local function text(x, y, content, attributes)
  return ('<text x="%.1f" y="%.1f" %s>%s</text>'):format(x, y, attributes or "", content)
end

local function line(x1, y1, x2, y2, stroke)
  return ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>')
    :format(x1, y1, x2, y2, stroke)
end

local function document(width, height, parts)
  local head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" '
    .. 'height="%d" font-family="sans-serif" font-size="11">'):format(width, height, width, height)
  local back = ('<rect width="%d" height="%d" fill="white"/>'):format(width, height)
  return table.concat({ head, back, table.concat(parts, "\n"), "</svg>", "" }, "\n")
end

local function bounds(values)
  local least, most = math.huge, 0
  for _, value in ipairs(values) do
    least, most = math.min(least, value), math.max(most, value)
  end
  return math.floor(log10(least)), math.ceil(log10(most))
end

local function power(exponent)
  local plain = exponent >= 0 and exponent < 4
  return plain and ("%d"):format(10 ^ exponent) or ("1e%d"):format(exponent)
end

-- A logarithmic y axis; returns the function from a value to its y.
local function y_axis(parts, plot, values)
  local low, high = bounds(values)
  local function y(value)
    return plot.bottom - (log10(value) - low) / (high - low) * (plot.bottom - plot.top)
  end
  for exponent = low, high do
    local at = y(10.0 ^ exponent)
    parts[#parts + 1] = line(plot.left, at, plot.right, at, "#ccc")
    parts[#parts + 1] = text(plot.left - 4, at + 4, power(exponent), 'text-anchor="end"')
  end
  return y
end

local function legend(parts, names, x, y)
  for i, name in ipairs(names) do
    parts[#parts + 1] = ('<rect x="%.1f" y="%.1f" width="10" height="10" fill="%s"/>')
      :format(x, y - 9, colour(i))
    parts[#parts + 1] = text(x + 14, y, name)
    x = x + 22 + 7 * #name
  end
end

-- plot{title, series = names, groups = {{label, [i] = value of series i}...}}
function svg.bars(plot)
  local parts, values, bar = {}, {}, 5
  local count = 0
  for _, group in ipairs(plot.groups) do
    for i = 1, #plot.series do
      if group[i] then
        values[#values + 1] = group[i]
        count = count + 1
      end
    end
  end
  plot.left, plot.top, plot.bottom = 46, 56, 380
  plot.right = plot.left + count * bar + #plot.groups * 14
  local width = math.max(plot.right + 10, 980)
  parts[1] = text(plot.left, 18, plot.title, 'font-size="14"')
  legend(parts, plot.series, plot.left, 38)
  local y, x = y_axis(parts, plot, values), plot.left + 7
  for _, group in ipairs(plot.groups) do
    local began = x
    for i = 1, #plot.series do
      if group[i] then
        local at = y(group[i])
        parts[#parts + 1] = ('<rect x="%.1f" y="%.1f" width="%d" height="%.1f" fill="%s">'
          .. "<title>%s %s: %.0f</title></rect>"):format(x, at, bar, plot.bottom - at, colour(i),
          group.label, plot.series[i], group[i])
        x = x + bar
      end
    end
    parts[#parts + 1] = text((began + x) / 2, plot.bottom + 15, group.label,
      'text-anchor="middle"')
    x = x + 14
  end
  return document(width, plot.bottom + 28, parts)
end

-- plot{title, series = names, x_label, points = {{x = number, [i] = value of series i}...}}
function svg.lines(plot)
  local parts, values, xs = {}, {}, {}
  for _, point in ipairs(plot.points) do
    xs[#xs + 1] = point.x
    for i = 1, #plot.series do values[#values + 1] = point[i] end
  end
  plot.left, plot.right, plot.top, plot.bottom = 50, 680, 56, 340
  parts[1] = text(plot.left, 18, plot.title, 'font-size="14"')
  legend(parts, plot.series, plot.left, 38)
  local y = y_axis(parts, plot, values)
  local low, high = bounds(xs)
  local function x(value)
    return plot.left + (log10(value) - low) / (high - low) * (plot.right - plot.left)
  end
  for _, value in ipairs(xs) do
    parts[#parts + 1] = text(x(value), plot.bottom + 15, power(log10(value) + 0.5 // 1 | 0),
      'text-anchor="middle"')
  end
  for i in ipairs(plot.series) do
    local path = {}
    for _, point in ipairs(plot.points) do
      path[#path + 1] = ("%.1f,%.1f"):format(x(point.x), y(point[i]))
    end
    parts[#parts + 1] = ('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>')
      :format(table.concat(path, " "), colour(i))
  end
  parts[#parts + 1] = text((plot.left + plot.right) / 2, plot.bottom + 32, plot.x_label,
    'text-anchor="middle"')
  return document(plot.right + 20, plot.bottom + 44, parts)
end

function svg.write(path, content)
  local file <close> = assert(io.open(path, "w"))
  file:write(content)
end

return svg
