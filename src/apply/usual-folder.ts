/** The state folder unless somebody says otherwise; by itself, as the command line needs no more to describe itself. */
export const USUAL_FOLDER = '/run/kuberules';
