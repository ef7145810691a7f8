//! The names and four-letter codes of the Image Biomarker Standardisation Initiative (IBSI), in the order in which
//! each family's values are computed.

/// Name and code.
pub type Name = (&'static str, &'static str);

/// Morphology.
pub const MORPHOLOGY: [Name; 25] = [
    ("volume_mesh", "RNU0"),
    ("volume_voxel_counting", "YEKZ"),
    ("surface_area_mesh", "C0JK"),
    ("surface_to_volume_ratio", "2PR5"),
    ("compactness_1", "SKGS"),
    ("compactness_2", "BQWJ"),
    ("spherical_disproportion", "KRCK"),
    ("sphericity", "QCFX"),
    ("asphericity", "25C7"),
    ("centre_of_mass_shift", "KLMA"),
    ("maximum_3d_diameter", "L0JK"),
    ("major_axis_length", "TDIC"),
    ("minor_axis_length", "P9VJ"),
    ("least_axis_length", "7J51"),
    ("elongation", "Q3CK"),
    ("flatness", "N17B"),
    ("volume_density_axis_aligned_bounding_box", "PBX1"),
    ("area_density_axis_aligned_bounding_box", "R59B"),
    ("volume_density_approximate_enclosing_ellipsoid", "6BDE"),
    ("area_density_approximate_enclosing_ellipsoid", "RDD2"),
    ("volume_density_convex_hull", "R3ER"),
    ("area_density_convex_hull", "7T7F"),
    ("integrated_intensity", "99N0"),
    ("moran_i_index", "N365"),
    ("geary_c_measure", "NPT7"),
];

/// Local intensity.
pub const LOCAL_INTENSITY: [Name; 2] = [("local_intensity_peak", "VJGA"), ("global_intensity_peak", "0F91")];

/// Intensity statistics.
pub const INTENSITY_STATISTICS: [Name; 18] = [
    ("mean_intensity", "Q4LE"),
    ("intensity_variance", "ECT3"),
    ("intensity_skewness", "KE2A"),
    ("excess_intensity_kurtosis", "IPH6"),
    ("median_intensity", "Y12H"),
    ("minimum_intensity", "1GSF"),
    ("10th_intensity_percentile", "QG58"),
    ("90th_intensity_percentile", "8DWT"),
    ("maximum_intensity", "84IY"),
    ("intensity_interquartile_range", "SALO"),
    ("intensity_range", "2OJQ"),
    ("intensity_based_mean_absolute_deviation", "4FUA"),
    ("intensity_based_robust_mean_absolute_deviation", "1128"),
    ("intensity_based_median_absolute_deviation", "N72L"),
    ("intensity_based_coefficient_of_variation", "7TET"),
    ("intensity_based_quartile_coefficient_of_dispersion", "9S40"),
    ("intensity_based_energy", "N8CA"),
    ("root_mean_square_intensity", "5ZWQ"),
];

/// Intensity histogram.
pub const INTENSITY_HISTOGRAM: [Name; 23] = [
    ("mean_discretised_intensity", "X6K6"),
    ("discretised_intensity_variance", "CH89"),
    ("discretised_intensity_skewness", "88K1"),
    ("excess_discretised_intensity_kurtosis", "C3I7"),
    ("median_discretised_intensity", "WIFQ"),
    ("minimum_discretised_intensity", "1PR8"),
    ("10th_discretised_intensity_percentile", "GPMT"),
    ("90th_discretised_intensity_percentile", "OZ0C"),
    ("maximum_discretised_intensity", "3NCY"),
    ("intensity_histogram_mode", "AMMC"),
    ("discretised_intensity_interquartile_range", "WR0O"),
    ("discretised_intensity_range", "5Z3W"),
    ("intensity_histogram_mean_absolute_deviation", "D2ZX"),
    ("intensity_histogram_robust_mean_absolute_deviation", "WRZB"),
    ("intensity_histogram_median_absolute_deviation", "4RNL"),
    ("intensity_histogram_coefficient_of_variation", "CWYJ"),
    ("intensity_histogram_quartile_coefficient_of_dispersion", "SLWD"),
    ("discretised_intensity_entropy", "TLU2"),
    ("discretised_intensity_uniformity", "BJ5W"),
    ("maximum_histogram_gradient", "12CE"),
    ("maximum_histogram_gradient_intensity", "8E6O"),
    ("minimum_histogram_gradient", "VQB3"),
    ("minimum_histogram_gradient_intensity", "RHQZ"),
];

/// Intensity-volume histogram.
pub const INTENSITY_VOLUME_HISTOGRAM: [Name; 6] = [
    ("volume_at_intensity_fraction_10", "BC2M"),
    ("volume_at_intensity_fraction_90", "BC2M"),
    ("intensity_at_volume_fraction_10", "GBPN"),
    ("intensity_at_volume_fraction_90", "GBPN"),
    ("volume_fraction_difference_between_intensity_fractions", "DDTU"),
    ("intensity_fraction_difference_between_volume_fractions", "CNV2"),
];

/// GLCM.
pub const GLCM: [Name; 25] = [
    ("joint_maximum", "GYBY"),
    ("joint_average", "60VM"),
    ("joint_variance", "UR99"),
    ("joint_entropy", "TU9B"),
    ("difference_average", "TF7R"),
    ("difference_variance", "D3YU"),
    ("difference_entropy", "NTRS"),
    ("sum_average", "ZGXS"),
    ("sum_variance", "OEEB"),
    ("sum_entropy", "P6QZ"),
    ("angular_second_moment", "8ZQL"),
    ("contrast", "ACUI"),
    ("dissimilarity", "8S9J"),
    ("inverse_difference", "IB1Z"),
    ("normalised_inverse_difference", "NDRX"),
    ("inverse_difference_moment", "WF0Z"),
    ("normalised_inverse_difference_moment", "1QCO"),
    ("inverse_variance", "E8JP"),
    ("correlation", "NI2N"),
    ("autocorrelation", "QWB0"),
    ("cluster_tendency", "DG8W"),
    ("cluster_shade", "7NFM"),
    ("cluster_prominence", "AE86"),
    ("information_correlation_1", "R8DG"),
    ("information_correlation_2", "JN9H"),
];

/// GLRLM.
pub const GLRLM: [Name; 16] = [
    ("short_runs_emphasis", "22OV"),
    ("long_runs_emphasis", "W4KF"),
    ("low_grey_level_run_emphasis", "V3SW"),
    ("high_grey_level_run_emphasis", "G3QZ"),
    ("short_run_low_grey_level_emphasis", "HTZT"),
    ("short_run_high_grey_level_emphasis", "GD3A"),
    ("long_run_low_grey_level_emphasis", "IVPO"),
    ("long_run_high_grey_level_emphasis", "3KUM"),
    ("grey_level_non_uniformity", "R5YN"),
    ("normalised_grey_level_non_uniformity", "OVBL"),
    ("run_length_non_uniformity", "W92Y"),
    ("normalised_run_length_non_uniformity", "IC23"),
    ("run_percentage", "9ZK5"),
    ("grey_level_variance", "8CE5"),
    ("run_length_variance", "SXLW"),
    ("run_entropy", "HJ9O"),
];

/// GLSZM.
pub const GLSZM: [Name; 16] = [
    ("small_zone_emphasis", "5QRC"),
    ("large_zone_emphasis", "48P8"),
    ("low_grey_level_zone_emphasis", "XMSY"),
    ("high_grey_level_zone_emphasis", "5GN9"),
    ("small_zone_low_grey_level_emphasis", "5RAI"),
    ("small_zone_high_grey_level_emphasis", "HW1V"),
    ("large_zone_low_grey_level_emphasis", "YH51"),
    ("large_zone_high_grey_level_emphasis", "J17V"),
    ("grey_level_non_uniformity", "JNSA"),
    ("normalised_grey_level_non_uniformity", "Y1RO"),
    ("zone_size_non_uniformity", "4JP3"),
    ("normalised_zone_size_non_uniformity", "VB3A"),
    ("zone_percentage", "P30P"),
    ("grey_level_variance", "BYLV"),
    ("zone_size_variance", "3NSA"),
    ("zone_size_entropy", "GU8N"),
];

/// GLDZM.
pub const GLDZM: [Name; 16] = [
    ("small_distance_emphasis", "0GBI"),
    ("large_distance_emphasis", "MB4I"),
    ("low_grey_level_zone_emphasis", "S1RA"),
    ("high_grey_level_zone_emphasis", "K26C"),
    ("small_distance_low_grey_level_emphasis", "RUVG"),
    ("small_distance_high_grey_level_emphasis", "DKNJ"),
    ("large_distance_low_grey_level_emphasis", "A7WM"),
    ("large_distance_high_grey_level_emphasis", "KLTH"),
    ("grey_level_non_uniformity", "VFT7"),
    ("normalised_grey_level_non_uniformity", "7HP3"),
    ("zone_distance_non_uniformity", "V294"),
    ("normalised_zone_distance_non_uniformity", "IATH"),
    ("zone_percentage", "VIWW"),
    ("grey_level_variance", "QK93"),
    ("zone_distance_variance", "7WT1"),
    ("zone_distance_entropy", "GBDU"),
];

/// NGTDM.
pub const NGTDM: [Name; 5] = [
    ("coarseness", "QCDE"),
    ("contrast", "65HE"),
    ("busyness", "NQ30"),
    ("complexity", "HDEZ"),
    ("strength", "1X9X"),
];

/// NGLDM.
pub const NGLDM: [Name; 17] = [
    ("low_dependence_emphasis", "SODN"),
    ("high_dependence_emphasis", "IMOQ"),
    ("low_grey_level_count_emphasis", "TL9H"),
    ("high_grey_level_count_emphasis", "OAE7"),
    ("low_dependence_low_grey_level_emphasis", "EQ3F"),
    ("low_dependence_high_grey_level_emphasis", "JA6D"),
    ("high_dependence_low_grey_level_emphasis", "NBZI"),
    ("high_dependence_high_grey_level_emphasis", "9QMG"),
    ("grey_level_non_uniformity", "FP8K"),
    ("normalised_grey_level_non_uniformity", "5SPA"),
    ("dependence_count_non_uniformity", "Z87G"),
    ("normalised_dependence_count_non_uniformity", "OKJI"),
    ("dependence_count_percentage", "6XV8"),
    ("grey_level_variance", "1PFV"),
    ("dependence_count_variance", "DNX2"),
    ("dependence_count_entropy", "FCBV"),
    ("dependence_count_energy", "CAS9"),
];
