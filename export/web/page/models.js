/**
 * The models that the page offers, and the form that chooses one.
 */

/** What export/to_web.py wrote of itself and its models. */
export async function loadManifest() {
  const response = await fetch("models.json");
  if (!response.ok) throw new Error(`models.json: ${response.status}`);
  return response.json();
}

/** E.g. "awsrn_sd ×2, float16". */
export function modelName({ variant, scale, purpose, precision }) {
  return listed(`${variant} ×${scale}`, purpose, precision);
}

function listed(...words) {
  return words.filter(Boolean).join(", ");
}

/** Three fields, scale, network and precision, that offer only what there is. */
export class ModelForm {
  /**
   * @param {object[]} models Entries of models.json.
   * @param {{scale: Element, network: Element, precision: Element}} fields Empty selects.
   */
  constructor(models, fields) {
    this.models = models;
    this.fields = fields;
    this.refresh();
    for (const field of Object.values(fields)) {
      field.addEventListener("change", () => this.refresh());
    }
  }

  /** The entry of models.json that is chosen. */
  get model() {
    return this.matching(["scale", "network", "precision"])[0];
  }

  refresh() {
    const label = {
      scale: (model) => `×${model.scale}`,
      network: (model) => listed(model.variant, model.purpose),
      precision: (model) => model.label,
    };
    const above = [];
    for (const [key, field] of Object.entries(this.fields)) {
      fill(field, this.matching(above), (model) => String(model[key]), label[key]);
      above.push(key);
    }
  }

  matching(keys) {
    return this.models.filter((model) =>
      keys.every((key) => String(model[key]) === this.fields[key].value),
    );
  }
}

/** Offer each value once, and keep what was chosen where it is still there. */
function fill(select, models, value, label) {
  const chosen = select.value;
  const options = new Map(models.map((model) => [value(model), label(model)]));
  select.replaceChildren(...[...options].map(([key, text]) => new Option(text, key)));
  if (options.has(chosen)) select.value = chosen;
}
