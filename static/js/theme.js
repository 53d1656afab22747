'use strict';
// Loaded in the head and not deferred, so that the chosen theme applies before the first paint.
document.documentElement.classList.add('js');
try {
  const theme = localStorage.getItem('theme');
  if (theme && !document.documentElement.dataset.theme) document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's theme applies.
}
